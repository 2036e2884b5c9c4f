"""Where numbers are computed: devices, precision, threads."""

import pytest
import torch

from layerwise import Runtime
from layerwise.errors import InputError
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.runtime import MULTIPLICATIONS_PER_THREAD
from layerwise.training import History, Objective, Phase, TensorRows, fit
from tests.cases import normal


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("work", "threads"), [(0, 1), (1, 1), (2, 2), (3, 3), (100, 4)])
def test_a_step_gets_the_threads_that_it_feeds(four_threads, work, threads):
    with Runtime("cpu").processor(work * MULTIPLICATIONS_PER_THREAD):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4


@pytest.fixture(params=["none", "ieee"])
def setting(request):
    matmul = torch.backends.mkldnn.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, request.param
    yield request.param
    matmul.fp32_precision = before


def test_large_products_are_as_exact_and_what_was_set_is_put_back(setting):
    matmul = torch.backends.mkldnn.matmul
    a, b = normal(300, 200), normal(200, 100)
    with Runtime("cpu").processor(MULTIPLICATIONS_PER_THREAD):
        found = a @ b
        assert setting == "none" or matmul.fp32_precision == setting
    assert matmul.fp32_precision == setting
    wanted = a.double() @ b.double()
    assert (found - wanted).norm() <= 1e-6 * wanted.norm()


def test_threads_are_given_back_after_a_failure(four_threads):
    def inspect(_):
        assert torch.get_num_threads() == 1
        raise ValueError

    with pytest.raises(ValueError):
        fit(
            Dense(3, code=2),
            TensorRows(normal(9, 3)),
            [Phase("train", Objective(), FirstOrder(lr=0.1), 1)],
            history=History(watch=[inspect]),
            runtime=Runtime("cpu"),
        )
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("device", ["cpu:x", "nowhere", "cuda:99"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(InputError, match="cannot be used here"):
        Runtime(device)


def test_an_unknown_precision():
    with pytest.raises(InputError, match="precision must be"):
        Runtime("cpu", "fp8")


def test_bfloat16_passes_keep_float32_weights_and_sums():
    model, seen = Dense(16, (32,), code=4), []
    handle = model.encoder[0].register_forward_hook(lambda module, arguments, output: seen.append(output.dtype))
    history = fit(
        model,
        TensorRows(normal(64, 16)),
        [Phase("train", Objective(), FirstOrder(lr=1e-3), 5)],
        runtime=Runtime("cpu", "bf16"),
    )
    handle.remove()
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    losses = [row["terms"]["squared_error"] for row in history.rows if row["event"] == "step"]
    assert losses[-1] < losses[0]
