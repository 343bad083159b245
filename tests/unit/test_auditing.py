"""Is the audit's draw random to those who do not know the key, and the same for all who do?"""  # noqa: D400

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from serving.auditing import ENOUGH_AUDITS, Auditor

IDS = [f"decision-{number}" for number in range(20_000)]


def an_auditor(*, secret: bytes = b"s" * 32, share: float = 0.01, audited: int = 0) -> Auditor:
    """Make an auditor; takedowns on a certificate are audited at 10%."""
    return Auditor(secret=secret, share=share, takedown_share=0.1, audited=lambda _: audited)


def test_draws_are_even() -> None:
    """Decision ids that only count up draw numbers that are spread evenly over 0..1 (Kolmogorov-Smirnov, p > 0.01)."""
    draws = [an_auditor().draw(name) for name in IDS]

    assert kstest(draws, "uniform").pvalue > 0.01
    assert 0.0 <= min(draws) <= max(draws) < 1.0


def test_share_is_kept() -> None:
    """Of 20,000 decisions 1% are audited, give or take what chance allows (4 standard deviations: 0.28%)."""
    share = np.mean([an_auditor().is_audited(name) for name in IDS])

    assert abs(share - 0.01) < 0.0028


def test_draw_is_the_keys_and_the_same_for_ever() -> None:
    """The same key gives the same draw, to the last bit; another key another one."""
    assert an_auditor().draw("d1") == an_auditor(share=0.5).draw("d1") == 0.9258375504188417
    both = [(an_auditor().draw(name), an_auditor(secret=b"t" * 32).draw(name)) for name in IDS[:1000]]
    assert abs(np.corrcoef(np.array(both).T)[0, 1]) < 0.13


def test_none_and_all() -> None:
    """A share of 0 audits nothing and a share of 1 everything."""
    assert not any(an_auditor(share=0.0).is_audited(name) for name in IDS[:1000])
    assert all(an_auditor(share=1.0).is_audited(name) for name in IDS[:1000])


def test_takedowns_on_a_certificate_are_audited_more_until_enough_were() -> None:
    """10% of a certificate's takedowns until there are 1,000 audits, then 1%; who is drawn then was drawn before."""
    early = {name for name in IDS if an_auditor().is_audited(name, certificate_id="c1")}
    late = {name for name in IDS if an_auditor(audited=ENOUGH_AUDITS).is_audited(name, certificate_id="c1")}

    assert abs(len(early) / len(IDS) - 0.1) < 0.0085
    assert late == {name for name in IDS if an_auditor().is_audited(name)}
    assert late < early
