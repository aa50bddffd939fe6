"""Decide, scope, embed, search both legs, fuse, decide each hit, decrypt. Never searches without a scope."""
