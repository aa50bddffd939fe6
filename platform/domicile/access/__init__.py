"""The enforcement point: decide, record, and only then let through. Every use case enters through here."""
