"""The words of the page about rights and policies, in English and German."""

from __future__ import annotations

ADMIN: dict[str, tuple[str, str]] = {
    "admin.title": ("Rights and policies", "Rechte und Richtlinien"),
    "admin.lead": (
        "What somebody would see, and why not something else. Asking changes nothing and is in the audit log.",
        "Was jemand sehen würde, und warum etwas anderes nicht. Fragen ändert nichts und steht im Audit-Log.",
    ),
    "admin.not_for_role": (
        "Rights and policies are not part of your role",
        "Rechte und Richtlinien gehören nicht zu Ihrer Rolle",
    ),
    "admin.not_for_role.text": (
        "You are signed in. Who may see what is shown to administrators, auditors and operators.",
        "Sie sind angemeldet. Wer was sehen darf, sehen nur Administration, Revision und Betrieb.",
    ),
    # What is asked
    "admin.person": ("Person", "Person"),
    "admin.person.help": ("A login of this tenant", "Ein Anmeldename dieser Organisation"),
    "admin.action": ("Action", "Aktion"),
    "admin.resource": ("Document or other resource", "Dokument oder andere Ressource"),
    "admin.resource.help": (
        "Optional: a document's id, or collection:NAME, tenant, endpoint:KIND@REGION, conversation:ID, job:ID",
        "Optional: die ID eines Dokuments oder collection:NAME, tenant, endpoint:ART@REGION, conversation:ID, job:ID",
    ),
    "admin.show": ("Show", "Anzeigen"),
    # Why
    "admin.why": ("Why", "Warum"),
    "admin.permitted": ("Permitted", "Erlaubt"),
    "admin.denied": ("Denied", "Verweigert"),
    "admin.by": ("by these policies:", "durch diese Richtlinien:"),
    "admin.by.none": (
        "No policy permits it, and nothing is permitted that no policy permits.",
        "Keine Richtlinie erlaubt es, und was keine erlaubt, ist verweigert.",
    ),
    "admin.undeclared": (
        "The schema knows no such action on such a resource; no policy is asked.",
        "Das Schema kennt diese Aktion auf einer solchen Ressource nicht; keine Richtlinie wird gefragt.",
    ),
    "admin.failed": ("It could not be evaluated, which denies.", "Sie ließ sich nicht auswerten, und das verweigert."),
    "admin.candidates": ("Policies that could permit it", "Richtlinien, die es erlauben könnten"),
    "admin.unmet": ("not met", "nicht erfüllt"),
    "admin.met": (
        "All that it demands is met; a policy above forbids.",
        "Alles, was sie verlangt, ist erfüllt; eine Richtlinie oben verbietet es.",
    ),
    "admin.facts": ("What the policies saw", "Was die Richtlinien sahen"),
    "admin.facts.principal": ("Principal", "Person"),
    "admin.facts.resource": ("Resource", "Ressource"),
    "admin.facts.context": ("Context", "Umstände"),
    # What they would see
    "admin.sees": ("What {who} would see", "Was {who} sehen würde"),
    "admin.sees.none": (
        "No document at all: no policy puts any in this person's scope.",
        "Kein einziges Dokument: Keine Richtlinie bringt eines in die Reichweite dieser Person.",
    ),
    "admin.sees.count": (
        "Documents: {documents}, in collections: {collections}",
        "Dokumente: {documents}, in Sammlungen: {collections}",
    ),
    "admin.sees.shown": (
        "Titles show only where you yourself may see them.",
        "Titel erscheinen nur, wo Sie selbst sie sehen dürfen.",
    ),
    "admin.collection": ("Collection", "Sammlung"),
    "admin.documents": ("Documents", "Dokumente"),
    "admin.listed": ("Shows to them", "Wird angezeigt"),
    "admin.yes": ("yes", "ja"),
    "admin.no": ("no", "nein"),
    "admin.document": ("Document", "Dokument"),
    "admin.classification": ("Classification", "Einstufung"),
    "admin.groups": ("Readable by", "Lesbar für"),
    "admin.region": ("Region", "Region"),
    "admin.untitled": ("title not for you", "Titel nicht für Sie"),
    "admin.why.link": ("Why?", "Warum?"),
    "admin.next": ("Next page", "Nächste Seite"),
    "admin.first": ("First page", "Erste Seite"),
    # Policies
    "admin.policies": ("{n} policies in force", "{n} Richtlinien in Kraft"),
    "admin.digest": ("Digest", "Prüfsumme"),
    "admin.permit": ("permit", "erlaubt"),
    "admin.forbid": ("forbid", "verbietet"),
    "admin.line": ("line {n}", "Zeile {n}"),
}
