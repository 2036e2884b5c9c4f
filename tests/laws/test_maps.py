"""Laws of the networks from pictures to pictures: any size, every weight learns, a folder gives the same back."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from layerwise import Objective
from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import SegNet, UNet, model_of
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import prediction_error
from tests.cases import MAPS

every = pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)


def drawn(model, height: int, width: int, rows: int = 2) -> torch.Tensor:
    return torch.rand(rows, model.channels, height, width, generator=torch.Generator().manual_seed(0))


@every
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (16, 7), (1, 1)])
def test_pictures_keep_their_size(make, size):
    model = make().eval()
    run = model(drawn(model, *size))
    assert run.reconstruction.shape == (2, model.outputs, *size)
    assert run.code.shape[1] == model.code == model.widths[-1]
    assert torch.equal(run.code, model.encode(drawn(model, *size)))
    assert model.decode(run.code).shape[:2] == (2, model.outputs)


@every
def test_every_weight_learns(make):
    model = make(seed=1).train()
    for parameter in model.parameters():
        # What is zero at first lets nothing through.
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    run = model(drawn(model, 9, 9, rows=3))
    run.reconstruction.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())


@every
def test_the_same_seed_gives_the_same_weights_and_a_config_the_same_model(make):
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    again = model_of(type(one.config()).model_validate_json(one.config().model_dump_json()))
    again.load_state_dict(one.state_dict())
    x = drawn(one, 10, 6)
    assert torch.equal(again.eval()(x).reconstruction, one.eval()(x).reconstruction)
    held = 4 * sum(value.numel() for value in one.state_dict().values())
    assert one.config().least_bytes() <= held


def test_a_residual_network_begins_as_the_identity():
    model = UNet(3, (4, 8))
    x = drawn(model, 11, 5)
    assert torch.equal(model(x).reconstruction, x)


def test_each_maximum_goes_back_to_where_it_was():
    model = SegNet(1, (1,), outputs=1, convolutions=1).eval()
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 2] = 5.0
    pooled, places = functional.max_pool2d(x, 2, return_indices=True)
    assert int(places[0, 0, 0, 1]) == 1 * 4 + 2
    back = functional.max_unpool2d(pooled, places, [2, 2])
    assert torch.equal(back, x)
    first = model.nothing(pooled)[0]
    assert first[0, 0].tolist() == [[0, 2], [8, 10]]


def test_the_decoder_uses_the_places():
    model = SegNet(1, (3, 4), outputs=2).eval()
    x = drawn(model, 8, 8)
    run = model(x)
    assert not torch.allclose(run.reconstruction, model.decode(run.code))
    stages, kept = model.down(x)
    assert torch.equal(model.up(stages[-1], kept), run.reconstruction)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SegNet(1, (), outputs=2), "at least one stage"),
        (lambda: SegNet(1, (4,), outputs=0), "numbers from 1 on; got 1 channels, the widths \\(4,\\), 0 outputs"),
        (lambda: UNet(1, (4, 0)), "numbers from 1 on"),
        (lambda: UNet(1, (4,), outputs=2), "as many outputs as inputs; got 2 of 1"),
    ],
)
def test_impossible_shapes_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_padding_repeats_the_last_pixels():
    model = UNet(1, (2, 2), residual=False, outputs=1).eval()
    for parameter in model.parameters():
        parameter.data += 0.1
    x = drawn(model, 5, 5)
    wide = functional.pad(x, (0, 1, 0, 1), mode="replicate")
    np.testing.assert_allclose(
        model(x).reconstruction.detach(), model(wide).reconstruction.detach()[:, :, :5, :5], atol=1e-6
    )


def test_fused_steps_of_one_channel_are_the_plain_ones():
    # torch gives the gradients of such convolutions transposed, and its fused optimizers do not look at that.
    x = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    ends = []
    for fused in (False, True):
        model = UNet(1, (8, 16), outputs=2, residual=False)
        problem = Problem(model, Objective(prediction_error), Batch(x, None, torch.cat([x, 1 - x], 1)))
        stepper = FirstOrder(torch.optim.AdamW, lr=1e-2, options={"fused": fused}).start(model)
        for _ in range(30):
            stepper.step(problem)
        ends.append(float(problem.loss().detach()))
        assert all(g.stride() == p.stride() for g, p in zip(problem.gradient()[1], problem.parameters, strict=True))
    assert ends[1] == pytest.approx(ends[0], rel=0.05)
