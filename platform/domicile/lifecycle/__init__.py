"""How long things are kept and how they leave: legal holds, retention, erasure, export; key rotation. Policy decides it all."""
