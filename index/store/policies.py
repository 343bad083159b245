"""Which policy decides? Versions and their way draft -> shadow -> active -> retired, every step with who and why.

Numbers of the audit trail are taken first in each transaction, not last: the counter's row is what keeps two people
from activating two versions at the same time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.people import same_person
from index.policies import PoliciesInForce, PolicyAction, PolicyEvent, PolicyState, PolicyStep, StoredPolicy
from index.store.audit import digest, enter
from index.store.changes import head, take
from index.store.engine import Database
from index.store.tables.policies import policies, policy_events

POLICIES = "policies"


class PolicyStore:
    """The part of the store that keeps policies."""

    _database: Database

    def submit_policy(self, version: str, content: bytes, step: PolicyStep) -> StoredPolicy:
        """Put a version on record as a draft; one that is there already stays what and whose it is."""
        with self._database.write(f"submit the policy {version!r}") as connection:
            number = take(connection, POLICIES)
            if (known := _find(connection, version)) is not None:
                if known.content != content:
                    raise Conflict(f"The policy {version!r} is on record with another text; give yours another name.")
                return known
            new = StoredPolicy(version=version, content=content, author=step.actor, create_time=step.time)
            connection.execute(
                policies.insert().values(
                    version=version,
                    content=content,
                    state=str(new.state),
                    author=new.author,
                    create_time=new.create_time,
                )
            )
            _note(connection, number, version, PolicyAction.SUBMIT, step, before=None, after=new.state)
            return new

    def shadow_policy(self, version: str, step: PolicyStep) -> StoredPolicy:
        """Let a version be evaluated beside the active one. Raises NotFound; Conflict when it is active."""
        with self._database.write(f"shadow the policy {version!r}") as connection:
            return _move(connection, version, PolicyAction.SHADOW, step, to=PolicyState.SHADOW)

    def retire_policy(self, version: str, step: PolicyStep) -> StoredPolicy:
        """Take a draft or shadow out of use. Raises NotFound; Conflict when it is active: activate another instead."""
        with self._database.write(f"retire the policy {version!r}") as connection:
            return _move(connection, version, PolicyAction.RETIRE, step, to=PolicyState.RETIRED)

    def activate_policy(self, version: str, step: PolicyStep, *, two_people: bool) -> StoredPolicy:
        """Let a version decide from now on; the one that did is retired.

        Raises:
            NotFound: there is no such version.
            Conflict: it is active already, or `two_people` must agree and its author activates it.

        """
        with self._database.write(f"activate the policy {version!r}") as connection:
            number = take(connection, POLICIES)
            policy = _get(connection, version)
            if policy.state is PolicyState.ACTIVE:
                raise Conflict(f"The policy {version!r} is active already.")
            if two_people and same_person(policy.author, step.actor):
                raise Conflict(
                    f"{step.actor!r} wrote the policy {version!r}, and two people must agree on one: somebody else "
                    "activates it, or the setting policy_two_people is turned off."
                )
            return _activate(connection, number, policy, PolicyAction.ACTIVATE, step)

    def rollback_policy(self, step: PolicyStep) -> StoredPolicy | None:
        """Go back to the version that was active before; None when there was none: the settings' file decides again.

        One person suffices, because those who activated that version agreed on it then. Raises Conflict when no
        version is active.
        """
        with self._database.write("roll back the policy") as connection:
            number = take(connection, POLICIES)
            present = _active(connection)
            if present is None:
                raise Conflict("No stored policy is active, so there is none to go back from.")
            earlier = _before(connection, present)
            if earlier is not None:
                return _activate(connection, number, earlier, PolicyAction.ROLLBACK, step)
            _enter(connection, number, present, PolicyState.RETIRED, PolicyAction.ROLLBACK, step)
            return None

    def get_policy(self, version: str) -> StoredPolicy:
        """Return a version. Raises NotFound."""
        with self._database.read("read a policy") as connection:
            return _get(connection, version)

    def list_policies(self) -> tuple[StoredPolicy, ...]:
        """Return all versions, newest first."""
        newest_first = select(policies).order_by(policies.c.create_time.desc(), policies.c.version)
        with self._database.read("list policies") as connection:
            return tuple(map(_policy, connection.execute(newest_first)))

    def policy_events(self, version: str | None = None) -> tuple[PolicyEvent, ...]:
        """Return the audit trail of one version or of all, oldest first."""
        query = select(policy_events).order_by(policy_events.c.number)
        if version is not None:
            query = query.where(policy_events.c.version == version)
        with self._database.read("read the policies' audit trail") as connection:
            return tuple(map(_event, connection.execute(query)))

    def policy_revision(self) -> int:
        """Return the audit trail's head: as long as it stays, so does what is in force."""
        with self._database.read("read the policies' revision") as connection:
            return head(connection, POLICIES)

    def policies_in_force(self) -> PoliciesInForce:
        """Return what decides now, and what is evaluated beside it, as of one moment."""
        used = select(policies).where(policies.c.state.in_([str(PolicyState.ACTIVE), str(PolicyState.SHADOW)]))
        with self._database.read("read the policies in force") as connection:
            revision = head(connection, POLICIES)
            found = [_policy(row) for row in connection.execute(used.order_by(policies.c.version))]
        active = next((policy for policy in found if policy.state is PolicyState.ACTIVE), None)
        return PoliciesInForce(revision=revision, active=active, shadows=tuple(p for p in found if p is not active))


def _move(
    connection: Connection, version: str, action: PolicyAction, step: PolicyStep, *, to: PolicyState
) -> StoredPolicy:
    number = take(connection, POLICIES)
    policy = _get(connection, version)
    if policy.state is PolicyState.ACTIVE:
        raise Conflict(f"The policy {version!r} is active; activate another one or roll back first.")
    if policy.state is to:
        raise Conflict(f"The policy {version!r} is in the state {to} already.")
    _enter(connection, number, policy, to, action, step)
    return _get(connection, version)


def _activate(
    connection: Connection, number: int, policy: StoredPolicy, action: PolicyAction, step: PolicyStep
) -> StoredPolicy:
    if (present := _active(connection)) is not None:
        _enter(connection, number, present, PolicyState.RETIRED, PolicyAction.SUPERSEDE, step)
        number = take(connection, POLICIES)
    _enter(connection, number, policy, PolicyState.ACTIVE, action, step)
    return _get(connection, policy.version)


def _before(connection: Connection, present: StoredPolicy) -> StoredPolicy | None:
    """Find the version that `present` superseded when it was activated (not when it was rolled back to)."""
    events = [_event(row) for row in connection.execute(select(policy_events).order_by(policy_events.c.number))]
    stack: list[str] = []
    for event in events:
        if event.action is PolicyAction.ACTIVATE:
            stack.append(event.version)
        elif event.action is PolicyAction.ROLLBACK:
            stack.pop()
    assert stack[-1] == present.version
    return _get(connection, stack[-2]) if len(stack) > 1 else None


def _find(connection: Connection, version: str) -> StoredPolicy | None:
    row = connection.execute(select(policies).where(policies.c.version == version)).one_or_none()
    return None if row is None else _policy(row)


def _get(connection: Connection, version: str) -> StoredPolicy:
    found = _find(connection, version)
    if found is None:
        raise NotFound(f"There is no policy with the version {version!r}; 'touchstone policy list' names them.")
    return found


def _active(connection: Connection) -> StoredPolicy | None:
    row = connection.execute(select(policies).where(policies.c.state == str(PolicyState.ACTIVE))).one_or_none()
    return None if row is None else _policy(row)


def _enter(
    connection: Connection,
    number: int,
    policy: StoredPolicy,
    state: PolicyState,
    action: PolicyAction,
    step: PolicyStep,
) -> None:
    """Bring a version into a state, and say so in the audit trail."""
    connection.execute(update(policies).where(policies.c.version == policy.version).values(state=str(state)))
    _note(connection, number, policy.version, action, step, before=policy.state, after=state)


def _note(
    connection: Connection,
    number: int,
    version: str,
    action: PolicyAction,
    step: PolicyStep,
    *,
    before: PolicyState | None,
    after: PolicyState,
) -> None:
    connection.execute(
        policy_events.insert().values(
            number=number,
            version=version,
            action=str(action),
            actor=step.actor,
            why=step.why,
            time=step.time,
            before=before and str(before),
            after=str(after),
        )
    )
    content = connection.scalars(select(policies.c.content).where(policies.c.version == version)).one()
    facts = {"action": str(action), "after": str(after), "content": digest(content)}
    enter(connection, Entry(act=Act.POLICY_CHANGED, subject=version, actor=step.actor, facts=facts))


def _policy(row: Row[Any]) -> StoredPolicy:
    return StoredPolicy(**row._asdict() | {"state": PolicyState(row.state)})


def _event(row: Row[Any]) -> PolicyEvent:
    return PolicyEvent(
        number=row.number,
        version=row.version,
        action=PolicyAction(row.action),
        step=PolicyStep(actor=row.actor, time=row.time, why=row.why),
        before=None if row.before is None else PolicyState(row.before),
        after=PolicyState(row.after),
    )
