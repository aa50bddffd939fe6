"""What is found out before the resource is known, and that it is found out once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.fakes.people import HOME, caller, document, principal
from tests.fakes.policy import shipped_bundle, shipped_decisions
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.actions import Action
from domicile.domain.marks import Validity
from domicile.policy import prepared as prepared_module
from domicile.policy.decision import DecisionPoint
from domicile.policy.prepared import Preparation
from domicile.policy.request import Request
from domicile.policy.scope import admits

MIA = caller()
LATER = replace(MIA, at=MIA.at + timedelta(minutes=1), request_id="another") if MIA.at else MIA


def test_a_caller_is_known_again_by_what_policies_see() -> None:
    """Another request of the same minute is the same caller; the next minute is another one, of the same kind."""
    preparation = Preparation(shipped_bundle(), ())
    known = preparation.known(MIA, timed=True)
    assert preparation.known(replace(MIA, request_id="another", trace_id="t"), timed=True) is known
    later = preparation.known(LATER, timed=True)
    assert later is not known
    assert later.anytime is known.anytime is preparation.known(LATER, timed=False)
    assert later.entities is known.entities


def test_in_the_next_minute_only_what_tells_the_time_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the policies that are shipped, the one on validity."""
    asked: list[int] = []
    residuals = prepared_module.residuals

    def counted(policies, *rest):
        asked.append(len(policies))
        return residuals(policies, *rest)

    monkeypatch.setattr(prepared_module, "residuals", counted)
    decisions = DecisionPoint(shipped_bundle())
    for who in (MIA, LATER):
        decisions.scope(who, Action.DOCUMENT_READ, HOME)
        decisions.decide(Request(who, Action.DOCUMENT_READ, document(), HOME))
    assert len(asked) == 3
    assert asked[1:] == [1, 1]


def test_time_goes_on_for_whoever_stays() -> None:
    """A document that ends between two minutes is read in the first one, by decision and by filter, and not in the second."""
    assert MIA.at is not None
    end = int(MIA.at.timestamp()) + 60
    ending, decisions = document(validity=Validity(0, end)), shipped_decisions()
    for who, readable in ((MIA, True), (LATER, False), (MIA, True)):
        assert decisions.decide(Request(who, Action.DOCUMENT_READ, ending, HOME)).allowed is readable
        assert admits(decisions.scope(who, Action.DOCUMENT_READ, HOME).tree, ending) is readable


def test_a_policy_that_fails_is_asked_in_every_decision() -> None:
    """Also where the others are settled without the document, and whether it looks at the time or not."""
    overflow = '(context.purpose == "support" && principal.clearance + 9223372036854775807 > 0)'
    for condition in (overflow, f"context.now > 0 && {overflow}"):
        decisions = DecisionPoint(written(on_documents("true", id_="all"), on_documents(condition, "forbid", "fails")))
        for who in (MIA, replace(MIA, purpose="support")):
            decision = decisions.decide(Request(who, Action.DOCUMENT_READ, document(), HOME))
            assert (decision.allowed, decision.errors) == ((False, ("fails",)) if who.purpose else (True, ()))
            assert admits(decisions.scope(who, Action.DOCUMENT_READ, HOME).tree, document()) is decision.allowed


def test_a_guard_that_is_met_is_not_asked_about_each_document() -> None:
    """Of the shipped policies on reading, only those that look at the document are left for a plain member."""
    preparation = Preparation(shipped_bundle(), ())
    request = preparation.request(preparation.known(caller(principal()), timed=True), Action.DOCUMENT_READ, "Document", HOME)
    assert len(request.slice.policies) == 4
    assert request.slice.resource == {"region", "classification", "groups", "valid_from", "valid_until"}
    assert request.slice.context == {"cell_region", "now"}
