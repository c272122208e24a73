"""Processing pipelines: a rule's document before it is read becomes another, as a team's files say."""

from siem.sigma.pipeline.loading import Pipeline, load_pipelines

__all__ = ["Pipeline", "load_pipelines"]
