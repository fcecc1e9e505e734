import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from dlt_stub.engine.trust import trust_options


def make_authority(name: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    unsigned = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + datetime.timedelta(days=900),
    )
    return unsigned.sign(key, hashes.SHA256())


def test_named_authorities_reach_the_store(tmp_path: Path) -> None:
    ours = [make_authority("Company"), make_authority("Branch")]
    bundle = tmp_path / "ours.pem"
    bundle.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in ours))
    options = trust_options(tmp_path, {"SSL_CERT_FILE": str(bundle)})
    store = tmp_path / "trusted.p12"
    assert options[0] == f"-Djavax.net.ssl.trustStore={store}"
    loaded = pkcs12.load_pkcs12(store.read_bytes(), b"changeit")
    assert [entry.certificate for entry in loaded.additional_certs] == ours
