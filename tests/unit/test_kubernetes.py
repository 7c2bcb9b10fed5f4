"""The Kubernetes manifests: in order by their schemas, safe, and true to the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from locustfiles.channels.origin import Origin
from locustfiles.options import OPTIONS
from locustfiles.plan_parts.allowed import Address, hosts_in, refused
from locustfiles.plans import load_plan
from sandbox.cli import sandbox
from tests.kustomized import containers, one, pods, render
from tests.locust_options import flags_and_variables

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = {"base": ROOT / "k8s/base", "local": ROOT / "k8s/overlays/local"}
RENDERED = {name: render(path) for name, path in OVERLAYS.items()}
VERSIONS = ("1.33", "1.37")
"""The oldest that has all that the manifests use as stable, and the newest that there is a schema for."""

every_overlay = pytest.mark.parametrize("resources", RENDERED.values(), ids=RENDERED)


def by_name(resources):
    return {(each["kind"], each["metadata"]["name"]): each for each in resources}


def runs_locust(container):
    return container["command"] == ["locust"]


@every_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_in_order(resources, version):
    """Kubernetes knows each field, and takes its value."""
    assert len(resources) >= 8
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl to compare with")
@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_tested_is_what_kubectl_applies(name):
    """To the last field, but for the hash in the names of ConfigMaps."""
    command = ["kubectl", "kustomize", str(OVERLAYS[name])]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    plain = re.sub(r"\b(paystorm-(?:plans|settings))-[a-z0-9]{10}\b", r"\1", made)
    assert by_name(yaml.safe_load_all(plain)) == by_name(RENDERED[name])


def test_the_validation_would_notice():
    """A field that is misspelt is told; so the test above can fail."""
    job = one(RENDERED["base"], "Job", "paystorm-master")
    wrong = {**job, "spec": {**job["spec"], "backofLimit": 0}}
    with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@every_overlay
def test_no_process_may_do_more_than_it_has_to(resources):
    """Not root, no privileges, nothing to write to but volumes, no account at the cluster, bounded."""
    for name, pod in pods(resources):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["privileged"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys(), name
            assert {"startupProbe", "livenessProbe"} <= container.keys(), name


@every_overlay
def test_nobody_but_workers_reaches_the_masters_port(resources):
    """What Locust's processes say to each other is neither encrypted nor authenticated."""
    policies = {
        resource["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: resource
        for resource in resources
        if resource["kind"] == "NetworkPolicy"
    }
    assert policies.keys() == {"master", "worker"}
    for component, policy in policies.items():
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        job = one(resources, "Job", f"paystorm-{component}")
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policies["worker"]["spec"]["ingress"] == []
    workers = one(resources, "Job", "paystorm-worker")["spec"]["template"]["metadata"]["labels"]
    for rule in policies["master"]["spec"]["ingress"]:
        assert rule["from"], "a rule without sources lets everybody in"
        assert rule["ports"], "a rule without ports opens all"
        if any(port["port"] == "locust" for port in rule["ports"]):
            assert rule["ports"] == [{"port": "locust"}]
            assert [source.keys() for source in rule["from"]] == [{"podSelector"}]
            assert rule["from"][0]["podSelector"]["matchLabels"] == workers


@every_overlay
def test_secrets_are_named_and_never_written(resources):
    """There is no Secret in the tree, and no environment variable takes its value from one."""
    assert not [each for each in resources if each["kind"] == "Secret"]
    for container in containers(resources):
        sources = [each.get("valueFrom", {}) for each in container.get("env", [])]
        assert not any("secretKeyRef" in source for source in sources)
    mounted = [
        volume["secret"]
        for _, pod in pods(resources)
        for volume in pod["volumes"]
        if "secret" in volume
    ]
    assert {secret["secretName"] for secret in mounted} == {"paystorm-credentials"}
    assert all(secret["defaultMode"] == 0o440 for secret in mounted)


@every_overlay
def test_commands_may_go_to_the_platform(resources):
    """A run that its own allow-list refuses would never begin."""
    settings = one(resources, "ConfigMap", "paystorm-settings")["data"]
    origin = Origin.parse(settings["LOCUST_HOST"])
    place = Address(origin.host, origin.port, "LOCUST_HOST")
    assert not refused([place], hosts_in([settings["PAYSTORM_ALLOW"]]))


@every_overlay
def test_names_of_the_environment_are_those_of_the_code(resources):
    """A variable that nobody reads would be a setting without effect."""
    known = {option.env_var for option in OPTIONS} | flags_and_variables()[1]
    settings = one(resources, "ConfigMap", "paystorm-settings")["data"]
    names = set(settings)
    for container in containers(resources):
        own = {each["name"] for each in container.get("env", [])}
        names |= own
        for each in container.get("env", []):
            used = re.findall(r"\$\((\w+)\)", each.get("value", ""))
            assert set(used) <= own, each
    assert names - {"POD_IP"} <= known, names - known


@every_overlay
def test_no_variable_of_a_service_is_taken_for_an_option(resources):
    """Kubernetes would set PAYSTORM_MASTER_PORT and more for the Service, unless told not to."""
    for name, pod in pods(resources):
        assert pod["enableServiceLinks"] is False, name


@every_overlay
def test_commands_and_arguments_are_those_of_the_code(resources):
    """Each argument is an option of the program that the container starts."""
    of_locust = {option.flag for option in OPTIONS} | flags_and_variables()[0]
    of_sandbox = {text for each in sandbox.params for text in each.opts}
    for container in containers(resources):
        options = of_locust if runs_locust(container) else of_sandbox
        if not runs_locust(container):
            assert container["command"] == ["paystorm", "sandbox"]
        for argument in container["args"]:
            assert argument.partition("=")[0] in options, argument


@every_overlay
def test_ports_are_those_that_are_listened_on(resources):
    """Services and probes name ports that containers have, and programs are told the same ones."""
    settings = one(resources, "ConfigMap", "paystorm-settings")["data"]
    by_name = {}
    for container in containers(resources):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        by_name |= ports
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for how in container.get(probe, {}).values():
                if isinstance(how, dict):
                    assert how["port"] in ports, (container["name"], probe)
                    assert how.get("path") in ("/health", "/openapi.json", None)
        if runs_locust(container):
            assert ports["metrics"] == int(settings["PAYSTORM_METRICS_PORT"])
    template = one(resources, "Job", "paystorm-master")["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(by_name["metrics"])
    master = template["spec"]["containers"][0]
    assert f"--master-bind-port={by_name['locust']}" in master["args"]
    assert settings["LOCUST_MASTER_NODE_PORT"] == str(by_name["locust"])
    assert (
        settings["LOCUST_MASTER_NODE_HOST"]
        == one(resources, "Service", "paystorm-master")["metadata"]["name"]
    )
    for service in (each for each in resources if each["kind"] == "Service"):
        for port in service["spec"]["ports"]:
            assert by_name[port["targetPort"]] == port["port"]


@every_overlay
def test_the_start_waits_for_exactly_the_workers_that_there_are(resources):
    """One fewer, and the first would send alone; one more, and nobody ever would."""
    workers = one(resources, "Job", "paystorm-worker")["spec"]
    master = one(resources, "Job", "paystorm-master")["spec"]
    assert workers["completionMode"] == "Indexed"
    assert workers["completions"] == workers["parallelism"]
    arguments = master["template"]["spec"]["containers"][0]["args"]
    assert f"--expect-workers={workers['parallelism']}" in arguments
    assert master["backoffLimit"] == 0, "a verdict is no reason to run again"
    assert master["template"]["spec"]["restartPolicy"] == "Never"


@every_overlay
def test_paths_that_are_named_are_mounted(resources):
    """The plan is there where the environment says, and runs are kept on a volume."""
    settings = one(resources, "ConfigMap", "paystorm-settings")["data"]
    plans = one(resources, "ConfigMap", "paystorm-plans")["data"]
    pod = one(resources, "Job", "paystorm-master")["spec"]["template"]["spec"]
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    plan = Path(settings["PAYSTORM_PLAN"])
    assert plan.name in plans
    assert volumes[mounts[str(plan.parent)]]["configMap"]["name"] == "paystorm-plans"
    claim = volumes[mounts[settings["PAYSTORM_RUNS_DIR"]]]["persistentVolumeClaim"]["claimName"]
    assert one(resources, "PersistentVolumeClaim", claim)
    for name, each in pods(resources):
        of_pod = {volume["name"] for volume in each["volumes"]}
        for container in each["containers"]:
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted == of_pod, name


@every_overlay
def test_plans_are_in_order(resources, tmp_path):
    """A plan that the cluster gets is one that `paystorm plan check` passes."""
    for name, text in one(resources, "ConfigMap", "paystorm-plans")["data"].items():
        file = tmp_path / name
        file.write_text(text)
        assert load_plan(str(file)).name == file.stem
