"""What every network over tokens owes: gradients, padding without a voice, and one token at a time as all at once."""

import copy
import itertools

import pytest
import torch
from safetensors.torch import load, save

from layerwise.data.tokens import BEGIN, PAD
from layerwise.errors import InputError
from layerwise.models import Recurrent, SequenceModel, Transformer, model_of
from layerwise.optim import ConjugateGradient, FirstOrder, HessianFree, Problem
from layerwise.penalties import SoftmaxCrossEntropy, softmax_cross_entropy
from layerwise.runtime import Runtime
from layerwise.training import Objective, Phase, fit
from tests.cases import CPU, PAIRS, SEQUENCES, VOCABULARY
from tests.passes import fields, noisy, same, weights

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
sequences = pytest.mark.parametrize("name", SEQUENCES)
OBJECTIVE = Objective(SoftmaxCrossEntropy(smoothing=0.1))


def batch(*numbers):
    return PAIRS.batch(torch.tensor(numbers or range(len(PAIRS))))


def written(x):
    """The part of the rows after what is read."""
    return x[:, int((x[0] == BEGIN).nonzero()[0]) :]


@sequences
def test_every_parameter_gets_a_gradient(name):
    model = SEQUENCES[name](0).double()
    gradients = Problem(model, OBJECTIVE, batch()).gradient()[1]
    assert not [own for (own, _), g in zip(model.named_parameters(), gradients, strict=True) if not g.any()]


@sequences
def test_parameters_from_elsewhere_give_the_same_gradient(name):
    model = SEQUENCES[name](0).double()
    problem = Problem(model, OBJECTIVE, batch())
    leaves = [p.detach().clone().requires_grad_() for p in problem.parameters]
    found = torch.autograd.grad(problem.loss(leaves), leaves)
    for one, other in zip(found, problem.gradient()[1], strict=True):
        torch.testing.assert_close(one, other)


@sequences
def test_padding_and_other_rows_have_no_voice(name):
    model, whole = SEQUENCES[name](0).eval(), batch()
    together = model(whole.x)
    for number in range(len(PAIRS)):
        alone = model(batch(number).x)
        size = alone.natural.shape[2]
        torch.testing.assert_close(together.natural[number, :, :size], alone.natural[0])
        rest = together.code[number].flatten()[alone.code[0].numel() :]
        torch.testing.assert_close(together.code[number].flatten()[: alone.code[0].numel()], alone.code[0].flatten())
        assert not rest.any()
    more = torch.cat([torch.full((len(PAIRS), 0), PAD), whole.x, torch.full((len(PAIRS), 3), PAD)], 1)
    size = together.natural.shape[2]
    torch.testing.assert_close(model(more).natural[:, :, :size], together.natural)


@sequences
def test_a_token_does_not_see_what_comes_after_it(name):
    model, x = SEQUENCES[name](0).eval(), batch().x
    other = x.clone()
    other[:, -1] = (other[:, -1] + 1) % VOCABULARY
    before, after = model(x).natural, model(other).natural
    torch.testing.assert_close(before[:, :, :-1], after[:, :, :-1])
    assert not torch.equal(before[:, :, -1], after[:, :, -1])


@sequences
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (2, 3), (1, 4)])
def test_one_token_after_the_other_is_all_at_once(name, sizes):
    model, x = SEQUENCES[name](0).eval(), batch().x
    state, parts = model.start(model.encode(x)), []
    for piece in written(x).split(sizes, 1):
        outputs, state = model.write(piece, state)
        parts.append(model.vocabulary.scores(outputs))
    torch.testing.assert_close(torch.cat(parts, 1).transpose(1, 2), model(x).natural)


@sequences
def test_the_code_is_all_that_is_known_of_what_was_read(name):
    model, x = SEQUENCES[name](0).eval(), batch().x
    run = model(x)
    assert torch.equal(model.encode(x), run.code)
    assert torch.equal(model.encode(x[:, : x.shape[1] - written(x).shape[1]]), run.code)
    torch.testing.assert_close(model.decode(run.code), run.natural[:, :, 0])
    assert run.code.shape[-1] == model.code
    assert (run.code.dim() == 2) == ("autoencoder" in name)


@sequences
def test_evaluation_and_training_repeat(name):
    model, x = SEQUENCES[name](0).eval(), batch().x
    assert same(model(x), model(x))
    model.train()

    def run(noise):
        for module in noisy(model):
            module.noise_key = noise
        return model(x)

    assert same(run(1), run(1))
    assert same(run(1), run(2)) == (not noisy(model))
    assert len({module.place for module in noisy(model)}) == len(noisy(model))


@sequences
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weights_decide_the_dtype(name, dtype):
    run = SEQUENCES[name](0).to(dtype)(batch().x)
    assert {value.dtype for value in fields(run)[1:]} == {dtype}


@sequences
def test_bfloat16_is_near(name):
    model, x = SEQUENCES[name](0).eval(), batch().x
    with torch.no_grad(), Runtime("cpu", "bf16").autocast():
        found = model(x).natural
    torch.testing.assert_close(found.float(), model(x).natural, atol=0.1, rtol=0.1)


@sequences
def test_the_state_goes_round_through_a_file_and_a_description(name):
    model, x = SEQUENCES[name](1).eval(), batch().x
    again = model_of(model.config()).eval()
    assert not same(model(x), again(x))
    again.load_state_dict(load(save(model.state_dict())))
    assert same(model(x), again(x))
    assert again.config() == model.config()
    assert model.config().least_bytes() <= sum(4 * parameter.numel() for parameter in model.parameters())
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += 0.5
    assert same(model(x), again(x))


@sequences
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (weights(SEQUENCES[name](seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[own], again[own]) for own in first)
    drawn = [own for own, value in first.items() if value.ndim > 1]
    assert not [own for own in drawn if torch.equal(first[own], other[own])]
    for one, another in itertools.combinations(drawn, 2):
        assert first[one].shape != first[another].shape or not torch.equal(first[one], first[another])


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        *((name, FirstOrder(lr=0.02)) for name in SEQUENCES),
        ("transformer", HessianFree(iterations=4)),
        ("recurrent", ConjugateGradient()),
    ],
)
def test_the_loop_trains_it(name, optimizer):
    model = SEQUENCES[name](0)
    phase = Phase("train", Objective(softmax_cross_entropy), optimizer, epochs=2, batch_size=2)
    history = fit(model, PAIRS, [phase], validation=PAIRS, runtime=CPU)
    first, *_, last = [row["validation"]["softmax_cross_entropy"] for row in history.rows if row.get("validation")]
    assert last < first


def test_the_loss_is_the_sum_over_the_tokens_that_are_there():
    model, whole = SEQUENCES["recurrent"](0).double().eval(), batch()
    found = softmax_cross_entropy.rows(model(whole.x), whole)
    for number in range(len(PAIRS)):
        one = batch(number)
        terms = -model(one.x).natural[0].log_softmax(0).T
        expected = sum(terms[place, token] for place, token in enumerate(one.y[0].tolist()))
        torch.testing.assert_close(found[number], expected)


@pytest.mark.parametrize("kind", [Recurrent, Transformer])
@pytest.mark.parametrize(
    "sizes", [{"width": 6}, {"width": 0}, {"layers": 0}, {"heads": 0}, {"code": 0}, {"dropout": 1.0}]
)
def test_impossible_sizes_are_refused(kind, sizes):
    with pytest.raises(InputError):
        kind(9, **{"width": 8, "heads": 2, **sizes})
    assert issubclass(kind, SequenceModel)
