"""The AEAD envelope, encryption contexts and data keys. Fetches no key, logs nothing, never explains a failed decryption."""
