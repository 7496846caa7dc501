"""docker-compose.yml, where no container engine tells: pinned, wired to what is there, and in step with the lock."""

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
OF_THE_SYSTEM = {"sh", "flock", "python", "pg_isready"}
SECRETS = ("POSTGRES_PASSWORD", "DAGSTER_DB_PASSWORD", "SERVING_DB_PASSWORD", "MLFLOW_DB_PASSWORD")
each_service = pytest.mark.parametrize("name", SERVICES)


def words(service) -> list[str]:
    """Of the command and of the health check."""
    return " ".join([*service.get("command", []), *service["healthcheck"]["test"][1:]]).split()


def test_every_part_of_the_server_is_there():
    assert set(SERVICES) == {"timescaledb", "code", "daemon", "webserver", "mlflow"}


@each_service
def test_an_image_is_ours_at_the_version_of_the_code_or_pinned_to_an_exact_one(name):
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    image = SERVICES[name]["image"]
    assert image == f"smart-maintenance:{version}" if name in OURS else re.search(r":\d+\.\d+\.\d+[-\w]*$", image)


def test_versions_in_our_image_are_the_lock_s_and_its_base_is_pinned():
    told = (REPOSITORY / "Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (.*)$", told, re.MULTILINE)
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", base)
    installs = re.findall(r"pip install (.*?)(?: \\)?$", told, re.MULTILINE)
    assert [line.split()[-2:] for line in installs] == [["-r", "requirements.lock"], ["-e", "."]]
    assert all("--no-deps" in line for line in installs)
    assert "--require-hashes" in installs[0]
    locked = (REPOSITORY / "requirements.lock").read_text()
    for package in ("dagster", "dagster-webserver", "dagster-postgres", "mlflow", "psycopg2-binary", "setuptools"):
        assert re.search(rf"^{package}==", locked, re.MULTILINE), package


@each_service
def test_a_service_starts_again_by_itself_is_looked_after_and_waits_for_one_that_is(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    for other, how in service.get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert SERVICES[other]["healthcheck"]


@each_service
def test_a_port_is_open_to_this_machine_alone_unless_somebody_says_otherwise(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"\$\{BIND:-127\.0\.0\.1\}:\d+:\d+", port)


@each_service
def test_a_folder_is_a_volume_that_is_declared_or_a_file_of_ours(name):
    for volume in SERVICES[name].get("volumes", []):
        source = re.sub(r"^\$\{\w+:-(\w+)\}", r"\1", volume).split(":")[0]
        assert (REPOSITORY / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_a_script_of_the_lock_or_of_the_system(name):
    scripts = {script.name for script in entry_points(group="console_scripts")}
    service = SERVICES[name]
    told = [service["command"][0], service["healthcheck"]["test"][1]]
    told += re.findall(r"(?:^|&& |exec )(\w[\w-]+)", service["command"][-1]) if service["command"][0] == "sh" else []
    assert set(told) - {"exec"} <= scripts | OF_THE_SYSTEM


def test_web_server_and_daemon_ask_the_code_server_where_it_serves():
    (told,) = yaml.safe_load((REPOSITORY / "deploy" / "workspace.yaml").read_text())["load_from"]
    server = told["grpc_server"]
    code = words(SERVICES["code"])
    assert server["host"] == SERVICES["code"]["hostname"] == "code"
    assert code[code.index("-p") + 1] == str(server["port"])
    assert code[code.index("--location-name") + 1] == code[code.index("-m") + 1] == server["location_name"]


def test_no_secret_stands_in_a_file_and_each_is_asked_for():
    told = (REPOSITORY / "docker-compose.yml").read_text()
    example = (REPOSITORY / ".env.example").read_text()
    for secret in SECRETS:
        assert f"${{{secret}:?set it in .env}}" in told
        assert re.search(rf"^{secret}=$", example, re.MULTILINE)
    assert set(re.findall(r"\$\{(\w+)", told)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert ".env" in (REPOSITORY / ".gitignore").read_text().splitlines()
    assert ".env" in (REPOSITORY / ".dockerignore").read_text().splitlines()


def test_what_we_set_is_what_we_read():
    read = set(re.findall(r'"((?:SMARTMAINT|DAGSTER)_\w+)"', (REPOSITORY / "resources" / "settings.py").read_text()))
    told = {name for service in OURS.values() for name in service["environment"] if not name.startswith("MLFLOW_")}
    assert told <= read
    address = SERVICES["daemon"]["environment"]["SMARTMAINT_DAGSTER_STORAGE"]
    assert address.startswith("postgresql+psycopg2://")
    assert 'storage = "postgres"' in (REPOSITORY / "deploy" / "settings.toml").read_text()
    for name in ("code", "daemon", "webserver"):
        assert SERVICES[name]["environment"] == SERVICES["code"]["environment"]


def test_docker_compose_takes_the_file(tmp_path):
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not here")
    given = os.environ | dict.fromkeys(SECRETS, "x")
    command = [
        docker,
        "compose",
        "--file",
        str(REPOSITORY / "docker-compose.yml"),
        "--profile",
        "mlflow",
        "config",
        "-q",
    ]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
