# ruff: noqa: S101 (these are tests)
"""What every store promises to those who search it with packs, as tests: a part of `siem.testing.store_contract`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from siem.errors import ContentError
from siem.parsing.batch import Parsed
from siem.schema import Query
from siem.store.contract import Hit, Store
from siem.testing.deliveries import FLOW, START, TRAIL, broken, decoded, delivery, every, flows, nothing, put, trail
from siem.testing.opening import Opening


class SearchingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    def test_a_hit_says_which_queries_of_the_pack_found_it(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        hits = list(store.search([every(store), nothing(store), every(store)]))
        second = START + timedelta(seconds=1)
        assert hits == [
            Hit("e1", START, TRAIL, one.source.id, None, (0, 2)),
            Hit("e2", second, TRAIL, one.source.id, None, (0, 2)),
        ]
        assert list(store.search([nothing(store)])) == list(store.search([])) == []

    def test_a_query_that_cannot_be_run_disturbs_no_other(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))), (two, Parsed(TRAIL, trail(two, "e2"))))
        erred: dict[int, ContentError] = {}
        pack = [every(store), broken(store), nothing(store), replace(broken(store), exact=False), every(store)]
        hits = list(store.search(pack, erred=erred.__setitem__))
        assert [(hit.event_id, hit.matched) for hit in hits] == [("e1", (0, 4)), ("e2", (0, 4))]
        assert sorted(erred) == [1, 3]
        with pytest.raises(ContentError):
            list(store.search(pack))

    def test_a_query_that_errs_is_told_of_where_nothing_else_is_found(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        erred: dict[int, ContentError] = {}
        assert (
            list(store.search([broken(store), nothing(store)], objects=[one.source.id], erred=erred.__setitem__)) == []
        )
        assert list(erred) == [0]

    @pytest.mark.parametrize("reads", [None, frozenset((f"{TRAIL}.requestParameters", TRAIL))])
    def test_documents_hold_what_the_predicate_reads(self, store: Store, reads: frozenset[str] | None) -> None:
        unsure = replace(every(store), exact=False)
        if isinstance(unsure, Query):
            unsure = replace(unsure, reads=reads)
        one = delivery("a")
        batch = trail(one, "e1", "e2", more={"user.name": "ann"})
        put(store, (one, Parsed(TRAIL, batch)))
        for hit, whole in zip(store.search([nothing(store), unsure]), decoded(batch), strict=True):
            assert hit.document is not None
            assert hit.unsure == (1,)
            assert hit.document[TRAIL]["requestParameters"] == whole[TRAIL]["requestParameters"]
            assert hit.document[TRAIL]["n"] == whole[TRAIL]["n"]

    def test_documents_hold_the_columns_that_were_asked_for(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        batches = flows(one, 2, more={"user.name": "ann"}), flows(two, 1, first=2)
        put(store, *[(of, Parsed(FLOW, batch)) for of, batch in zip((one, two), batches, strict=True)])
        columns = ("source.port", "user.name", "aws.vpcflow.log-status", "url.path")
        documents = [hit.document or {} for hit in store.search([every(store, FLOW)], columns=columns)]
        wholes = [document for batch in batches for document in decoded(batch)]
        assert [[document.get(name) for name in columns] for document in documents] == [
            [whole.get(name) for name in columns] for whole in wholes
        ]
