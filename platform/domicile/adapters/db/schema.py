"""The tables, once for SQLite and PostgreSQL. ``migrations/`` makes them; a test compares the two.

No foreign key cascades: what is deleted is named where it is deleted. Keys are not here but in the key store
(``key_schema``), so that no copy of this database opens what is in it. ``audit_entries`` and ``transfers`` refer to nothing, so
nothing that is deleted can take an entry with it, and their triggers (see the migrations) refuse every change.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    false,
)

from domicile.adapters.db.columns import NAMING, POSITION, SET, Id, UtcDateTime
from domicile.domain.marks import FOREVER, NOBODY
from domicile.domain.values import Classification

#: Every revision of ``migrations/versions``, oldest first. The last one is what this code needs.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")

metadata = MetaData(naming_convention=NAMING)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", String(64), nullable=False),
    Column("name", String, nullable=False),
    Column("region", String(64), nullable=False),
    # Names of regions, beside its home.
    Column("allowed_regions", SET, nullable=False, server_default="[]"),
    UniqueConstraint("slug"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("slug", String(64), nullable=False),
    UniqueConstraint("tenant_id", "slug"),
)

#: A group within another one: whoever is in ``group_id`` is in ``parent_id``. There is no circle.
group_parents = Table(
    "group_parents",
    metadata,
    Column("group_id", ForeignKey(groups.c.id), primary_key=True),
    Column("parent_id", ForeignKey(groups.c.id), primary_key=True),
)

principals = Table(
    "principals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("role", String(32), nullable=False),
    Column("clearance", SmallInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("password_hash", String),
    Column("kind", String(16), nullable=False, server_default="user"),
    # All three are empty for an account that has no name any more.
    Column("login_digest", LargeBinary),
    Column("profile_envelope", LargeBinary),
    Column("data_key_id", Id),
    UniqueConstraint("login_digest"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("principal_id", ForeignKey(principals.c.id), primary_key=True),
    Column("group_id", ForeignKey(groups.c.id), primary_key=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("principal_id", ForeignKey(principals.c.id), nullable=False),
    Column("prefix", String, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("verbs", SET),
    Column("collections", SET),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("label_envelope", LargeBinary),
    UniqueConstraint("secret_hash"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("principal_id", ForeignKey(principals.c.id), nullable=False, index=True),
    Column("csrf_token", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)


def _marks() -> list[Column[Any]]:
    """What policy knows of a document or collection besides its place; its groups and labels are elsewhere.

    Validity is in seconds since 1970, so that a scope compares numbers. The defaults are what rows had before there were these.
    """
    return [
        Column("owner_id", Id, nullable=False, server_default=NOBODY.hex),
        Column("personal_data", Boolean, nullable=False, server_default=false()),
        Column("valid_from", BigInteger, nullable=False, server_default="0"),
        Column("valid_until", BigInteger, nullable=False, server_default=str(FOREVER)),
    ]


#: Its marks are what new documents in it get.
collections = Table(
    "collections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("region", String(64), nullable=False),
    Column("classification", SmallInteger, nullable=False, server_default=str(int(Classification.INTERNAL))),
    Column("groups", SET, nullable=False, server_default="[]"),
    Column("labels", SET, nullable=False, server_default="[]"),
    *_marks(),
    UniqueConstraint("tenant_id", "slug"),
)

#: A document with its current version in one row, so that publishing a version is one statement for all to see.
documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("collection_id", ForeignKey(collections.c.id), nullable=False),
    Column("region", String(64), nullable=False),
    Column("classification", SmallInteger, nullable=False),
    Column("source_digest", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version_id", Id, nullable=False),
    Column("data_key_id", Id, nullable=False),
    # While it is being encrypted anew.
    Column("next_key_id", Id),
    Column("content_digest", LargeBinary, nullable=False),
    Column("title_envelope", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("version_created_at", UtcDateTime, nullable=False),
    *_marks(),
    UniqueConstraint("version_id"),
    # A collection belongs to one tenant.
    UniqueConstraint("collection_id", "source_digest"),
    # Ends in the id, or SQLite would read all of a tenant's documents to find ten of them.
    Index(None, "tenant_id", "id"),
    # What retention looks for: the oldest.
    Index(None, "tenant_id", "version_created_at"),
)

document_groups = Table(
    "document_groups",
    metadata,
    Column("document_id", ForeignKey(documents.c.id), primary_key=True),
    Column("group_id", ForeignKey(groups.c.id), primary_key=True),
)

document_labels = Table(
    "document_labels",
    metadata,
    Column("document_id", ForeignKey(documents.c.id), primary_key=True),
    Column("label", String(64), primary_key=True),
)

#: Whom a document is about, as keyed digests (``domain/subjects.py``).
document_subjects = Table(
    "document_subjects",
    metadata,
    Column("document_id", ForeignKey(documents.c.id), primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Index(None, "subject"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("collection_id", ForeignKey(collections.c.id), nullable=False),
    Column("principal_id", ForeignKey(principals.c.id), nullable=False),
    Column("state", String(32), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
)

#: ``groups``, ``labels`` and ``subjects`` are copies for the job alone: policy and the stores read a document's from their own
#: tables. Subjects are hexadecimal, and gone when the item is settled.
job_items = Table(
    "job_items",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", ForeignKey(jobs.c.id), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("document_id", Id, nullable=False),
    Column("version_id", Id, nullable=False),
    Column("data_key_id", Id, nullable=False),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("collection_id", ForeignKey(collections.c.id), nullable=False),
    Column("region", String(64), nullable=False),
    Column("classification", SmallInteger, nullable=False),
    Column("groups", SET, nullable=False),
    Column("source_digest", LargeBinary, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("title_envelope", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", String(32), nullable=False),
    Column("stage", String(32), nullable=False),
    Column("failure", String(64)),
    Column("failure_detail", String),
    Column("labels", SET, nullable=False, server_default="[]"),
    *_marks(),
    Column("subjects", SET),
    UniqueConstraint("job_id", "ordinal"),
    Index(None, "state", "job_id"),
)

#: Data keys that nothing names any more, to be destroyed in the key store: an order that outlives a crash between the two.
doomed_keys = Table(
    "doomed_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("principal_id", ForeignKey(principals.c.id), nullable=False),
    Column("data_key_id", Id, nullable=False),
    Column("title_envelope", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "principal_id", "updated_at"),
    Index(None, "tenant_id", "updated_at"),
)

#: Whom a conversation is about: the subjects of every document that was released for one of its answers.
conversation_subjects = Table(
    "conversation_subjects",
    metadata,
    Column("conversation_id", ForeignKey(conversations.c.id), primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Index(None, "subject"),
)

#: Which documents' passages were released for one of a conversation's answers: its words may be in it.
conversation_documents = Table(
    "conversation_documents",
    metadata,
    Column("conversation_id", ForeignKey(conversations.c.id), primary_key=True),
    Column("document_id", Id, primary_key=True),
    Index(None, "document_id"),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", ForeignKey(conversations.c.id), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("body_envelope", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("conversation_id", "ordinal"),
)

idempotent_replies = Table(
    "idempotent_replies",
    metadata,
    Column("principal_id", ForeignKey(principals.c.id), primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: Only ever added to; a tenant's latest version counts. Whoever wrote it may be the operator, who is nobody's principal.
tenant_policies = Table(
    "tenant_policies",
    metadata,
    Column("tenant_id", ForeignKey(tenants.c.id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("principal_id", Id, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

#: ``body`` holds the canonical bytes (``domicile.audit.encoding``); the columns beside it are there to be searched by.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=False),
    Column("id", Id, nullable=False),
    Column("tenant_id", Id),
    Column("principal_id", Id),
    Column("time", UtcDateTime, nullable=False),
    Column("action", String(64), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("id"),
    Index(None, "tenant_id", "position"),
)

#: The transfer register. ``source`` and ``target`` are regions, ``entry`` is an id of ``regions.yaml``.
transfers = Table(
    "transfers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("time", UtcDateTime, nullable=False),
    Column("tenant_id", Id),
    Column("principal_id", Id),
    Column("credential_id", Id),
    Column("kind", String(32), nullable=False),
    Column("source", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("component", String(32), nullable=False),
    Column("entry", String, nullable=False),
    Column("basis", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("bundle_digest", String(64), nullable=False),
    Column("audit_id", Id, nullable=False),
    Column("request_id", String(64), nullable=False),
    Index(None, "tenant_id", "id"),
)

#: ``target_id`` is a document, a collection or the tenant; ``subject`` is the digest of a data subject. What was released stays
#: as a record.
legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target_id", Id),
    Column("subject", LargeBinary),
    Column("reference", String(64), nullable=False),
    Column("placed_by", Id, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("released_by", Id),
    Column("released_at", UtcDateTime),
    Index(None, "tenant_id", "id"),
)

#: ``kept`` says what of: documents, conversations or the audit log. What is null applies to all.
retention_rules = Table(
    "retention_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("kept", String(16), nullable=False),
    Column("collection_id", ForeignKey(collections.c.id)),
    Column("classification", SmallInteger),
    Column("days", Integer, nullable=False),
)

#: Refers to nothing, so that what is erased takes no erasure with it. ``receipts`` are canonical bytes; ``held`` names ids.
erasures = Table(
    "erasures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target_id", Id),
    Column("subject", LargeBinary),
    Column("account_id", Id),
    Column("reason", String(64), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("stage", String(16), nullable=False),
    Column("requested_by", Id, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("approved_by", Id),
    Column("approved_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("waiting", String(64)),
    Column("counts", JSON, nullable=False),
    Column("held", SET, nullable=False),
    Column("receipts", LargeBinary),
    Index(None, "tenant_id", "id"),
)

#: What erasures have removed the rows of. Versions, conversations and principals by id, with the keys that have to go.
erased_objects = Table(
    "erased_objects",
    metadata,
    Column("erasure_id", ForeignKey(erasures.c.id), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("of_id", Id, nullable=False, index=True),
    Column("keys", SET, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

#: Up to which position of the key store's ``destroyed_keys`` this database is known to name none of them; one row.
followed_keys = Table(
    "followed_keys",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)
