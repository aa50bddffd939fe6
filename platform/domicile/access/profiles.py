"""What an account is called: login, display name and its API keys' labels, sealed under a data key of the account's own.

The database holds envelopes and, to find a login and to keep logins unique, a keyed digest of each. Whose key is destroyed has
no name any more, in no copy of the database: only an id is left, which the audit log goes on naming.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec

from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import key_id_of, seal, unseal
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed
from domicile.domain.principals import ApiKey, Principal, SealedProfile
from domicile.domain.values import Region, clean_text
from domicile.ports.clock import Clock
from domicile.ports.key_store import CELL
from domicile.ports.keys import KeyRing, Secret


@dataclass(frozen=True, slots=True)
class Profile:
    """What people call an account."""

    login: str
    display: str


_decode = msgspec.json.Decoder(Profile).decode


async def login_digest(keys: KeyRing, login: str) -> bytes:
    """What a login is found by: HMAC-SHA-256 (32 bytes) under a key of the cell, since its tenant is not known yet.

    The same work whether anybody has that login or not. Raises ``InvalidText``.
    """
    key = await keys.secret(CELL, Secret.LOGIN)
    return hmac.digest(key.derive(b"domicile/login/digest/1"), clean_text(login).encode(), "sha256")


class Profiles:
    """Seals and opens names; decides nothing and records nothing. Each method reads the key store once at most.

    Opening raises ``DecryptionFailed`` for an envelope that was altered or is another account's, and never because a key was
    destroyed.
    """

    def __init__(self, *, keys: KeyRing, clock: Clock, region: Region) -> None:
        self._keys = keys
        self._clock = clock
        self._region = region

    async def login_digest(self, login: str) -> bytes:
        return await login_digest(self._keys, login)

    async def seal(self, tenant_id: UUID, profiles: Mapping[UUID, Profile]) -> dict[UUID, SealedProfile]:
        """The profiles of those accounts of the tenant, by id, each under a new data key that is durable by now."""
        keys = await self._keys.create(tenant_id, [self._clock.new_id() for _ in profiles])
        sealed = {}
        for key, (principal_id, profile) in zip(keys, profiles.items(), strict=True):
            envelope = seal(key, self._context(tenant_id, principal_id, Part.PROFILE), msgspec.json.encode(profile))
            sealed[principal_id] = SealedProfile(await self.login_digest(profile.login), envelope, key.id)
        return sealed

    async def named(self, principals: Sequence[Principal]) -> list[Principal]:
        """Accounts of one tenant with login and display name, in the same order; one that has no name any more has its id."""
        if not principals:
            return []
        key_ids = frozenset(each.profile.data_key_id for each in principals if each.profile is not None)
        keys = await self._keys.open_existing(principals[0].tenant_id, key_ids)
        return [self._named(each, keys) for each in principals]

    async def seal_labels(self, tenant_id: UUID, labels: Mapping[UUID, tuple[UUID, str]]) -> dict[UUID, bytes]:
        """The labels of those API keys, by id, each given with the id of its account's data key.

        Raises ``DecryptionFailed`` if one of these was destroyed.
        """
        keys = await self._keys.open_many(tenant_id, frozenset(data_key_id for data_key_id, _ in labels.values()))
        return {
            id_: seal(keys[data_key_id], self._context(tenant_id, id_, Part.LABEL), label.encode())
            for id_, (data_key_id, label) in labels.items()
        }

    async def labelled(self, api_keys: Sequence[ApiKey]) -> list[ApiKey]:
        """API keys of one tenant with their labels, in the same order; one that cannot be read any more is empty."""
        if not api_keys:
            return []
        key_ids = frozenset(key_id_of(each.label_envelope) for each in api_keys if each.label_envelope is not None)
        keys = await self._keys.open_existing(api_keys[0].tenant_id, key_ids)
        return [self._labelled(each, keys) for each in api_keys]

    def _named(self, principal: Principal, keys: Mapping[UUID, DataKey]) -> Principal:
        sealed, nameless = principal.profile, str(principal.id)
        key = keys.get(sealed.data_key_id) if sealed else None
        if sealed is None or key is None:
            return replace(principal, login=nameless, display=nameless)
        plain = unseal(key, self._context(principal.tenant_id, principal.id, Part.PROFILE), sealed.envelope)
        try:
            profile = _decode(plain)
        except msgspec.DecodeError:
            raise DecryptionFailed() from None
        return replace(principal, login=profile.login, display=profile.display)

    def _labelled(self, api_key: ApiKey, keys: Mapping[UUID, DataKey]) -> ApiKey:
        envelope = api_key.label_envelope
        key = keys.get(key_id_of(envelope)) if envelope is not None else None
        if envelope is None or key is None:
            return api_key
        label = unseal(key, self._context(api_key.tenant_id, api_key.id, Part.LABEL), envelope)
        return replace(api_key, label=label.decode())

    def _context(self, tenant_id: UUID, object_id: UUID, part: Part) -> EncryptionContext:
        return EncryptionContext(tenant_id, self._region, object_id, "", part)
