"""A signed package proves who made it: openssl says so too, and nobody else can sign what they changed."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from serving.errors import PackageError, SettingsError
from serving.packages.check import check_package
from serving.packages.signing import Signer, load_public_key
from serving.packages.zip import SIGNATURE, SUMS, zip_of
from tests.unit.test_evidence_packages import a_package


def a_key(folder: Path, name: str) -> tuple[Signer, Path]:
    """Make a pair of keys; return the signer and the public key's file."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return Signer.load(private), public


def faults_of(folder: Path, files: dict[str, bytes], signer: Signer | None, public: Path) -> tuple[str, ...]:
    """Check files as a zip that somebody signed."""
    path = folder / "P.zip"
    path.write_bytes(zip_of(files, sign=None if signer is None else signer.sign))
    return check_package(path, load_public_key(public)).faults


def test_only_the_owner_of_the_key_can_have_made_it(tmp_path: Path) -> None:
    """A package is sound with its signer's key; signed by another, written anew or unsigned it is not."""
    (signer, public), (other, _) = a_key(tmp_path, "ours"), a_key(tmp_path, "theirs")
    files = a_package()
    with zipfile.ZipFile(io.BytesIO(zip_of(files, sign=signer.sign))) as archive:
        signature = archive.read(SIGNATURE)
    anew = files | {"images/photo-00.jpg": b"another"}

    foreign = (f"{SIGNATURE}: is not a signature of this package by this key",)
    assert faults_of(tmp_path, files, signer, public) == ()
    assert check_package(tmp_path / "P.zip").faults == ()
    assert faults_of(tmp_path, files, other, public) == foreign
    assert faults_of(tmp_path, anew | {SIGNATURE: signature}, None, public)[-1:] == foreign
    assert faults_of(tmp_path, files, None, public) == (f"{SIGNATURE}: is missing",)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_checks_the_signature(tmp_path: Path) -> None:
    """The command in the docs, on an unpacked package: right for what was signed, wrong for what was changed."""
    signer, public = a_key(tmp_path, "ours")
    with zipfile.ZipFile(io.BytesIO(zip_of(a_package(), sign=signer.sign))) as archive:
        archive.extractall(tmp_path)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    command += ["-in", SUMS, "-sigfile", SIGNATURE]

    right = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    with (tmp_path / SUMS).open("ab") as sums:
        sums.write(b"\n")
    wrong = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert (right.returncode, wrong.returncode != 0) == (0, True), right.stderr


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """A missing file, another kind of key, and a private key for a public one are refused, and the setting is named."""
    pair = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "ec.pem", tmp_path / "ec.pub"
    private.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    for path in (tmp_path / "none.pem", private, public):
        with pytest.raises(SettingsError, match="evidence_key"):
            Signer.load(path)
    for path in (tmp_path / "none.pem", private, public):
        with pytest.raises(PackageError):
            load_public_key(path)


def test_a_signer_goes_by_its_public_key(tmp_path: Path) -> None:
    """The same key has the same name, and another another."""
    (signer, _), (other, _) = a_key(tmp_path, "ours"), a_key(tmp_path, "theirs")

    assert signer.name == Signer.load(tmp_path / "ours.pem").name != other.name
    assert signer.name.startswith("ed25519 sha256:")
