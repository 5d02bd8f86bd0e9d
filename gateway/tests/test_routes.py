"""Every route of the contract leads to its method, and the paths in between to nothing."""

import pytest
from cloudly_gateway.rest.routes import RouteTable
from cloudly_kit import contract

TABLE = RouteTable(contract.methods().values())


@pytest.mark.parametrize("binding", TABLE.bindings, ids=lambda binding: binding.method.name)
def test_every_route_of_the_contract_is_found(binding):
    path, values = binding.template, []
    for field in binding.fields:
        values.append(f"v{len(values)}")
        path = path.replace("{" + field + "}", values[-1])
    match = TABLE.match(path)
    assert match is not None
    assert match.bindings[binding.verb].method.name == binding.method.name
    assert list(match.values) == values


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/clusters/", "/api/v1/clusters/a/b", "/api/v1/nothing"])
def test_other_paths_are_not_found(path):
    assert TABLE.match(path) is None


def test_a_suffix_wins_over_an_id_with_a_colon():
    match = TABLE.match("/api/v1/executions/tasks-abc:watch")
    assert match.bindings["GET"].method.name == "WatchExecution"
    assert match.values == ("tasks-abc",)


def test_an_encoded_slash_stays_inside_its_segment():
    assert TABLE.match("/api/v1/clusters/a%2Fb").values == ("a/b",)


def test_two_methods_on_one_route_are_refused():
    method = contract.methods()["/cloudly.clusters.v1.ClusterService/GetCluster"]
    with pytest.raises(ValueError, match="both want"):
        RouteTable([method, method])
