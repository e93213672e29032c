"""TLS to PostgreSQL: every mode, and those who are not who they say. The certificates are made here."""

import subprocess

import pytest

from calling import NOT_APPLIED, TIMEOUT, Calls, backends
from conftest import ENVIRONMENT, new_database, run_program, serve


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def sign(folder, name, common_name, *extensions):
    """A key and a certificate of the CA in the folder."""
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={common_name}")
    (folder / f"{name}.ext").write_text("\n".join(extensions) + "\n")
    openssl(folder, "ca", "-batch", "-config", "ca.conf", "-in", f"{name}.csr", "-out", f"{name}.crt", "-notext",
            "-extfile", f"{name}.ext")
    (folder / f"{name}.key").chmod(0o600)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
            "-subj", f"/CN={name}")
    (folder / "index.txt").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=us\n[us]\ndir=.\ndatabase=index.txt\nnew_certs_dir=.\ncertificate=ca.crt\nprivate_key=ca.key\n"
        "rand_serial=yes\nunique_subject=no\ndefault_md=sha256\ndefault_days=2\ndefault_crl_days=2\npolicy=any\n"
        "[any]\ncommonName=supplied\n")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Files of one authority; `other`/ca.crt is of another one."""
    folder = tmp_path_factory.mktemp("certificates")
    make_authority(folder, "ragstore tests")
    sign(folder, "server", "server", "subjectAltName=IP:127.0.0.1")
    sign(folder, "client", "certified")
    sign(folder, "revoked", "certified")
    openssl(folder, "ca", "-config", "ca.conf", "-revoke", "revoked.crt")
    openssl(folder, "ca", "-config", "ca.conf", "-gencrl", "-out", "crl.pem")
    openssl(folder, "ca", "-config", "ca.conf", "-revoke", "server.crt")
    openssl(folder, "ca", "-config", "ca.conf", "-gencrl", "-out", "server-revoked.pem")
    other = folder / "other"
    other.mkdir()
    make_authority(other, "somebody else")
    return folder


@pytest.fixture(scope="session")
def secure(certificates, tmp_path_factory):
    """A server that lets nobody in without TLS; the user `certified` has a certificate in place of a password."""
    yield from serve("17", tmp_path_factory, TLS=str(certificates))


@pytest.fixture
def connect(secure, certificates):
    """connect(mode, root=..., cert=..., crl=..., host=..., user=...) -> what went wrong, "" when nothing did."""

    def run(mode, root=None, cert=None, crl=None, host="127.0.0.1", user=None):
        # libpq connects to PGHOSTADDR whatever the name is: no name has to be known to this machine
        options = {"ssl_mode": mode, "ssl_root_cert": root and certificates / root, "ssl_crl": crl and certificates / crl,
                   "ssl_cert": cert and certificates / f"{cert}.crt", "ssl_key": cert and certificates / f"{cert}.key",
                   "connection_retries": 1}
        who, where = secure.url.removeprefix("postgres://").split("@")
        url = f"postgres://{user or who}@{where.replace('127.0.0.1', host)}"
        query = "&".join(f"{name}={value}" for name, value in options.items() if value)
        done = run_program("tests/rows", f"{url}?{query}", "get", "n", "k", env={**ENVIRONMENT, "PGHOSTADDR": "127.0.0.1"})
        assert done.stdout == ("absent\n" if done.returncode == 0 else "")
        return done.stderr

    return run


def test_modes_that_use_tls_are_let_in(connect):
    for mode in ("allow", "prefer", "require"):
        assert connect(mode) == "", mode
    for mode in ("verify-ca", "verify-full"):
        assert connect(mode, root="ca.crt") == "", mode


def test_plain_is_refused(connect):
    assert "no encryption" in connect("disable")


def test_a_server_without_tls_is_refused_by_the_modes_that_need_it(postgres17, certificates):
    for mode in ("require", "verify-ca", "verify-full"):
        root = "" if mode == "require" else f"&ssl_root_cert={certificates / 'ca.crt'}"
        done = run_program("tests/rows", f"{postgres17.url}?ssl_mode={mode}{root}&connection_retries=1", "get", "n", "k")
        assert (done.returncode, done.stdout) == (1, "") and "does not support SSL" in done.stderr, mode


def test_another_authority_is_refused(connect):
    for mode in ("verify-ca", "verify-full"):
        assert "certificate verify failed" in connect(mode, root="other/ca.crt"), mode


def test_another_host_is_refused_by_verify_full_alone(connect):
    assert connect("verify-ca", root="ca.crt", host="elsewhere.invalid") == ""
    assert "does not match host name" in connect("verify-full", root="ca.crt", host="elsewhere.invalid")


def test_a_client_certificate_opens_and_a_revoked_one_does_not(connect, secure):
    secure.sql("DO $$ BEGIN CREATE ROLE certified LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    assert connect("verify-full", root="ca.crt", cert="client", user="certified") == ""
    assert "requires a valid client certificate" in connect("verify-full", root="ca.crt", user="certified")
    assert "certificate revoked" in connect("verify-full", root="ca.crt", cert="revoked", user="certified")


def test_a_revocation_list_is_looked_at(connect):
    assert connect("verify-full", root="ca.crt", crl="crl.pem") == ""
    assert "certificate verify failed" in connect("verify-full", root="ca.crt", crl="server-revoked.pem")


def test_a_deadline_cancels_the_statement(secure, certificates):
    database = new_database(secure)
    options = f"ssl_mode=verify-full&ssl_root_cert={certificates / 'ca.crt'}&max_connections=1"
    with Calls(database.url, options) as calls, Calls(database.url, options) as other:
        assert calls("put a").ok
        assert other("begin").ok and other("put b").ok    # has the writer's turn
        sessions = backends(secure)
        assert secure.sql("SELECT count(*), bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
                          " WHERE application_name = 'ragstore'") == "2|t"
        late = calls("@500 put c")
        assert (late.status, late.outcome) == (TIMEOUT, NOT_APPLIED)
        assert backends(secure, "AND state = 'active'") == []
        assert other("commit").ok
        assert calls("put c").ok
        assert backends(secure) == sessions    # a connection whose statement goes on would have been given up
