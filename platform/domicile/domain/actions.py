"""Every action there is, as ``resource:verb``. Policies, audit events and API-key scopes name these and nothing else."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    SESSION_CREATE = "session:create"  # sign in on the pages
    SESSION_READ = "session:read"  # be told who one is
    SESSION_DELETE = "session:delete"  # sign out
    COLLECTION_LIST = "collection:list"  # see which collections exist
    COLLECTION_CREATE = "collection:create"
    DOCUMENT_LIST = "document:list"  # see a document's title and attributes
    DOCUMENT_READ = "document:read"  # have content released: passages, text, the original
    DOCUMENT_CREATE = "document:create"  # ingest into a collection, new versions included
    DOCUMENT_DELETE = "document:delete"
    SEARCH_CREATE = "search:create"
    ANSWER_CREATE = "answer:create"
    CONVERSATION_READ = "conversation:read"  # one's own only
    CONVERSATION_DELETE = "conversation:delete"
    JOB_READ = "job:read"
    AUDIT_READ = "audit:read"
    POLICY_READ = "policy:read"  # be told which policies there are, and why something was refused
    POLICY_WRITE = "policy:write"  # change the tenant's own policies
    APIKEY_CREATE = "apikey:create"
    APIKEY_REVOKE = "apikey:revoke"
    MEMBER_CREATE = "member:create"  # add users and groups
    TENANT_READ = "tenant:read"  # see that a tenant exists: the operator
    TENANT_CREATE = "tenant:create"  # the operator, on the machine itself
    RESIDENCY_READ = "residency:read"  # see where the cell's components are
    TRANSFER_READ = "transfer:read"  # see what flowed to other regions, and on which basis
    KEY_READ = "key:read"  # see which keys there are, and no key
    KEY_ROTATE = "key:rotate"  # replace keys: those that wrap others, and those of chosen documents
    EXPORT_CREATE = "export:create"  # take along what the tenant holds, what is about a person, or what is one's own
    CONVERSATION_EXPORT = "conversation:export"  # have a conversation in such an export
    IMPORT_CREATE = "import:create"  # bring in what another cell has exported
    HOLD_READ = "hold:read"  # see what legal holds keep
    HOLD_WRITE = "hold:write"  # place and release legal holds
    RETENTION_READ = "retention:read"  # see how long things are kept, and what would go now
    RETENTION_WRITE = "retention:write"
    RETENTION_RUN = "retention:run"  # the cell itself: remove what has been kept long enough
    ERASURE_CREATE = "erasure:create"  # have a document, or all about a data subject, erased for good
    ERASURE_APPROVE = "erasure:approve"  # let somebody else's erasure begin
    ERASURE_READ = "erasure:read"  # see what is and was erased, with its receipts
    ERASURE_RUN = "erasure:run"  # the cell itself: carry an erasure out
    TENANT_ERASE = "tenant:erase"  # the operator, on the machine itself
    ENDPOINT_USE = "endpoint:use"  # let data flow to a component in a region
