"""Ed25519 through the openssl command."""

import os
import subprocess
import tempfile

# SubjectPublicKeyInfo of an Ed25519 key without the key (RFC 8410 4).
SPKI = bytes.fromhex('302a300506032b6570032100')


def openssl(*arguments, data=None, check=True):
    return subprocess.run(['openssl', *arguments], input=data, capture_output=True, check=check)


def make_key(path):
    """Writes a new private key in PEM, readable by its owner only, and returns the public key."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as file:
        file.write(openssl('genpkey', '-algorithm', 'ed25519').stdout)
    return openssl('pkey', '-in', path, '-pubout', '-outform', 'DER').stdout[-32:]


def sign(path, message):
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        return openssl('pkeyutl', '-sign', '-rawin', '-inkey', path, '-in', file.name).stdout


def verify(public, message, signature, known={}):
    """Asks openssl once for each question."""
    question = (public, message, signature)
    if question not in known:
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in ('key', 'message', 'signature')]
            for path, content in zip(paths, (SPKI + public, message, signature)):
                with open(path, 'wb') as file:
                    file.write(content)
            known[question] = openssl('pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', paths[0], '-rawin',
                                      '-in', paths[1], '-sigfile', paths[2], check=False).returncode == 0
    return known[question]
