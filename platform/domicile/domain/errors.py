"""The root of all errors, in families by who is at fault.

Every error has a stable ``slug`` (it ends up in the problem details' ``type``), a sentence on what is wrong (``str(error)``)
and a sentence on what to do (``hint``). Neither may carry content, keys or another tenant's names: both are shown to callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class DomicileError(Exception):
    """Root of everything this product raises on purpose."""

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong inside Domicile"
    hint: ClassVar[str] = "Try again; if it happens again, give the request id to your operator."

    def __init__(self, detail: str = "", *, hint: str | None = None, **members: object) -> None:
        super().__init__(detail or self.title)
        self.advice = hint or self.hint
        #: Further members of the problem details, such as ``region`` or ``limit``.
        self.members: Mapping[str, object] = members


# --- The caller is at fault -------------------------------------------------------------------------------------------
class CallerError(DomicileError):
    """The request itself cannot be carried out; sending it again unchanged will not help."""

    slug = "bad-request"
    title = "The request is not valid"
    hint = "Correct the request and send it again."


class InvalidText(CallerError):
    slug = "invalid-text"
    title = "The text contains characters that cannot be processed"
    hint = "Remove NUL characters and unpaired surrogates."


class QuestionEmpty(CallerError):
    slug = "question-empty"
    title = "The question is empty"
    hint = "Ask a question of at least one character."


class QuestionTooLong(CallerError):
    slug = "question-too-long"
    title = "The question is too long"
    hint = "Shorten the question."


class DocumentEmpty(CallerError):
    slug = "document-empty"
    title = "The document holds no text"
    hint = "Check the file; scanned pages need a text layer."


class DocumentTooLarge(CallerError):
    slug = "document-too-large"
    title = "The document is larger than this cell accepts"
    hint = "Split the document, or ask the operator to raise DOMICILE_MAX_DOCUMENT_BYTES."


class DocumentTypeUnknown(CallerError):
    slug = "document-type-unknown"
    title = "The document's type is not supported"
    hint = "Convert it to PDF, DOCX, XLSX, PPTX, HTML, Markdown or plain text."


class DocumentTypeMismatch(CallerError):
    slug = "document-type-mismatch"
    title = "The document's content does not match its name"
    hint = "Give the file the suffix of what it really is."


class DocumentEncrypted(CallerError):
    slug = "document-encrypted"
    title = "The document is protected by a password"
    hint = "Remove the password and ingest it again."


class DocumentCorrupt(CallerError):
    slug = "document-corrupt"
    title = "The document cannot be read"
    hint = "Open it in its own program, save it again and ingest that copy."


class ParserLimitExceeded(CallerError):
    slug = "parser-limit-exceeded"
    title = "Reading the document took more time or memory than is allowed"
    hint = "Split or simplify the document, or ask the operator to raise the DOMICILE_PARSER_* limits."


class DocumentWithdrawn(CallerError):
    slug = "document-withdrawn"
    title = "The document was withdrawn before this version of it was published"
    hint = "Ingest it again if it is wanted after all."


class IdempotencyConflict(CallerError):
    slug = "idempotency-conflict"
    title = "This idempotency key was used for a different request"
    hint = "Use a new Idempotency-Key for a new request."


class AlreadyExists(CallerError):
    slug = "already-exists"
    title = "Something of that name exists already"
    hint = "Choose another name."


class TenantPolicyInvalid(CallerError):
    """Beside ``PolicyInvalid``, which is the operator's: this is told to whoever wrote the policies."""

    slug = "tenant-policy-invalid"
    title = "The policies are not valid"
    hint = "Correct the policy named and send them again; nothing was changed."


class PolicyChanged(CallerError):
    slug = "policy-changed"
    title = "Somebody else has changed the policies meanwhile"
    hint = "Read them again, and make your change to what they are now."


class KeysInUse(CallerError):
    slug = "keys-in-use"
    title = "Keys are still wrapped by a version that is to go"
    hint = "Run 'domicile key rotate' to its end first."


class LegalHold(CallerError):
    """What was to end is needed for a legal matter. Which one is told only to those who may read holds."""

    slug = "legal-hold"
    title = "A legal hold keeps this"
    hint = "It can be changed or removed once the hold is released; ask your tenant administrator."


class AuditFloor(CallerError):
    slug = "audit-floor"
    title = "The audit log is kept longer than that"
    hint = "Give more days; the operator sets the least (DOMICILE_AUDIT_RETENTION_FLOOR_DAYS)."


class DocumentErased(CallerError):
    slug = "document-erased"
    title = "A document that this was made from has just been erased"
    hint = "Ask again."


class NotWaiting(CallerError):
    slug = "not-waiting"
    title = "This erasure waits for nobody's approval"
    hint = "Look at its state: it may be running, done or refused."


class RunUnderWay(CallerError):
    slug = "run-under-way"
    title = "Retention is being carried out already"
    hint = "Wait until that run is done."


# --- The caller may not -----------------------------------------------------------------------------------------------
class Refused(DomicileError):
    """Policy, authentication or tenancy says no. Nothing was released."""

    slug = "forbidden"
    title = "You may not do that"
    hint = "Ask your tenant administrator for access."


class NotAuthenticated(Refused):
    slug = "not-authenticated"
    title = "The request carries no valid credential"
    hint = "Send a valid API key as 'Authorization: Bearer …', or sign in."


class CredentialExpired(NotAuthenticated):
    slug = "credential-expired"
    title = "The credential has expired"
    hint = "Ask your tenant administrator for a new API key, or sign in again."


class TooManyAttempts(Refused):
    slug = "too-many-attempts"
    title = "Too many failed attempts to sign in"
    hint = "Wait a few minutes and try again."


class CsrfRejected(Refused):
    slug = "csrf-rejected"
    title = "The form was not sent from this site, or is too old"
    hint = "Reload the page and try again."


class NotFound(Refused):
    """Does not exist, or lies in another tenant: the two must not be told apart."""

    slug = "not-found"
    title = "There is nothing here"
    hint = "Check the id; you may not have access to what it names."


class Forbidden(Refused):
    slug = "forbidden"
    title = "Policy does not permit this"


class RegionRefused(Refused):
    slug = "region-refused"
    title = "That region is not served by this cell"
    hint = "Send the request to the cell of that region."


class TransferDenied(Refused):
    """Data would flow to another region, or somebody looks from one, and no unexpired legal basis is on file for that."""

    slug = "transfer-denied"
    title = "This would carry data to another region without a legal basis"
    hint = "Ask your tenant administrator; the operator lists legal bases in regions.yaml."


class Misdirected(Refused):
    """The data lives in another region, whose cell has to be asked: HTTP's 421 (RFC 9110, section 15.5.20)."""

    slug = "misdirected"
    title = "This data lives in another region"
    hint = "Send the request to the cell of that region."


class ReceiptInvalid(CallerError):
    slug = "receipt-invalid"
    title = "This is not a valid receipt"
    hint = "Compare it with the answer that it came with, and the key with the one that the cell publishes."


class BundleInvalid(CallerError):
    """Nothing of it was taken."""

    slug = "bundle-invalid"
    title = "This is not a valid bundle"
    hint = "Ask for the bundle again, as it was when it was made."


# --- The configuration is at fault ------------------------------------------------------------------------------------
class ConfigurationError(DomicileError):
    """The operator has to change something before the cell can start."""

    slug = "configuration"
    title = "The configuration is not valid"
    hint = "Correct the configuration and start again."


class ResidencyViolation(ConfigurationError):
    slug = "residency-violation"
    title = "A component lies outside the regions that policy allows"
    hint = "Declare the component's region (DOMICILE_*_REGION), or use one inside the cell's region."


class PolicyInvalid(ConfigurationError):
    slug = "policy-invalid"
    title = "The policy bundle is not valid"
    hint = "Correct the policy named and start again."


class WeightsUntrusted(ConfigurationError):
    slug = "weights-untrusted"
    title = "The model weights are not the ones that were declared"
    hint = "Install the declared weights, or set DOMICILE_EMBEDDING_SHA256 to the digest you have verified."


class KeyFileExposed(ConfigurationError):
    slug = "key-file-exposed"
    title = "The key file can be read by other users"
    hint = "Run 'chmod 600' on it, and consider the key compromised."


class SchemaOutdated(ConfigurationError):
    slug = "schema-outdated"
    title = "The database was made by an older version"
    hint = "Run 'domicile db upgrade', then start again."


class SchemaNewer(ConfigurationError):
    slug = "schema-newer"
    title = "The database was upgraded by a newer version"
    hint = "Start that version, or restore the backup that was made before the upgrade."


class TransportUnprotected(ConfigurationError):
    slug = "transport-unprotected"
    title = "A component would be reached without TLS"
    hint = "Give every component outside this machine an https address, and its authorities in DOMICILE_CA_FILE."


class ListensInClear(ConfigurationError):
    slug = "listens-in-clear"
    title = "The service would be reached without TLS"
    hint = "Set DOMICILE_TLS_CERT_FILE and DOMICILE_TLS_KEY_FILE, or name its TLS proxy in DOMICILE_TRUSTED_PROXIES."


class StoreHeld(ConfigurationError):
    slug = "store-held"
    title = "Another process holds this cell's embedded store"
    hint = "Stop that process first, or send the request to it."


# --- Something we depend on is at fault -------------------------------------------------------------------------------
#: What to do about a component that was reached and not believed.
CERTIFICATE_HINT = "Check that it speaks TLS, that DOMICILE_CA_FILE signed its certificate, and that this names its host."


class DependencyError(DomicileError):
    """A component failed; the same request may succeed later."""

    slug = "dependency-unavailable"
    title = "A component that Domicile depends on is not available"
    hint = "Try again in a moment."


class DatabaseUnavailable(DependencyError):
    slug = "database-unavailable"
    title = "The database is not available"


class StorageFull(DependencyError):
    slug = "storage-full"
    title = "The storage is full"
    hint = "Ask the operator to free space; nothing was changed."


class AuditUnavailable(DependencyError):
    """Invariant 5: what cannot be audited does not happen."""

    slug = "audit-unavailable"
    title = "The audit log cannot be written, so nothing is released"


class VectorIndexUnavailable(DependencyError):
    slug = "vector-index-unavailable"
    title = "The vector index is not available"


class BlobStoreUnavailable(DependencyError):
    slug = "blob-store-unavailable"
    title = "The blob store is not available"


class KeyProviderUnavailable(DependencyError):
    slug = "key-provider-unavailable"
    title = "The key provider is not available"


class KeyReplaced(DependencyError):
    """A tenant's key was rotated between reading and using it: what was to be done succeeds when it is done again."""

    slug = "key-replaced"
    title = "A key was replaced meanwhile"


class EmbedderUnavailable(DependencyError):
    slug = "embedder-unavailable"
    title = "The embedding model is not available"


class ModelUnavailable(DependencyError):
    slug = "model-unavailable"
    title = "The language model is not available"
    hint = "Search still works; try the question again later."


class ModelTimeout(ModelUnavailable):
    slug = "model-timeout"
    title = "The language model did not answer in time"


class ModelStreamBroken(ModelUnavailable):
    slug = "model-stream-broken"
    title = "The language model's answer was cut off"
    hint = "What was shown is incomplete; ask again."


# --- Something is not what it should be -------------------------------------------------------------------------------
class IntegrityError(DomicileError):
    """Stored bytes are not what was stored. Never explained to callers."""

    slug = "integrity"
    title = "Stored data failed its integrity check"
    hint = "Give the request id to your operator."


class DecryptionFailed(IntegrityError):
    """One opaque failure for every cause: wrong key, wrong context, altered or truncated bytes."""

    slug = "decryption-failed"
    title = "Stored data could not be decrypted"
