"""From batches to documents of the cluster: bulk lines, and how they are sent."""
