"""PCA: ours against scikit-learn's, and the models that must become it or start as it."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from layerwise.data import Batch
from layerwise.models import Dense, Layer, Normalization, PrincipalComponents, principal_components, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import squared_error
from layerwise.training import Cosine, Objective, Phase, TensorRows, fit
from tests.cases import CPU, TANH, normal, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
ROWS, WIDTH = 90, 7


def cloud(rows: int = ROWS, width: int = WIDTH) -> Tensor:
    scales = torch.linspace(2, 0.3, width)
    return normal(rows, width) * scales @ torch.linalg.qr(normal(width, width, seed=1))[0] + normal(width, seed=2)


def peer(x: Tensor, code: int) -> np.ndarray:
    exact = PCA(code, svd_solver="full").fit(x.double().numpy())
    return exact.inverse_transform(exact.transform(x.double().numpy()))


@pytest.mark.parametrize("code", [1, 3, WIDTH])
def test_components_are_those_of_scikit_learn(code):
    x = cloud()
    ours, exact = PrincipalComponents.fit(TensorRows(x), code), PCA(code, svd_solver="full").fit(x.double().numpy())
    np.testing.assert_allclose(ours.reconstruct(x), peer(x, code), atol=2e-6)
    np.testing.assert_allclose(ours.center, exact.mean_, atol=1e-6)
    np.testing.assert_allclose(ours.variances, exact.explained_variance_ * (ROWS - 1) / ROWS, rtol=1e-5)
    np.testing.assert_allclose(ours.components @ ours.components.T, np.eye(code), atol=1e-6)
    np.testing.assert_allclose(ours.components.abs(), np.abs(exact.components_), atol=1e-5)
    np.testing.assert_allclose(ours.transform(x).square().mean(0), ours.variances, rtol=1e-5)


def test_many_rows_are_read_in_pieces(monkeypatch):
    x = cloud()
    whole = PrincipalComponents.fit(TensorRows(x), 3)
    monkeypatch.setattr(principal_components, "CHUNK", 11)
    torch.testing.assert_close(PrincipalComponents.fit(TensorRows(x), 3).reconstruct(x), whole.reconstruct(x))


def test_a_wide_table_is_done_from_a_sample(monkeypatch):
    x = cloud(60, 40)
    monkeypatch.setattr(principal_components, "EXACT_FEATURES", 10)
    ours = PrincipalComponents.fit(TensorRows(x), 5)
    found, best = ((ours.reconstruct(x) - x).square().sum().item(), ((peer(x, 5) - x.double().numpy()) ** 2).sum())
    assert best * (1 - 1e-5) <= found <= best * 1.01
    monkeypatch.setattr(principal_components, "SAMPLE_ROWS", 30)
    fewer = PrincipalComponents.fit(TensorRows(x), 5)
    assert (fewer.reconstruct(x) - x).square().sum().item() > found
    torch.testing.assert_close(fewer.center, ours.center)


def test_more_components_than_the_rank_are_zero():
    x = cloud()[:, :2] @ normal(2, WIDTH, seed=3)
    ours = PrincipalComponents.fit(TensorRows(x), 9)
    assert ours.components.shape == (9, WIDTH)
    assert not ours.components[2:].any()
    assert not ours.variances[2:].any()
    assert ours.variances[:2].all()
    torch.testing.assert_close(ours.reconstruct(x), x, atol=1e-5, rtol=1e-5)


def test_a_missing_cell_counts_as_its_columns_mean():
    x, observed = cloud(), uniform(ROWS, WIDTH, seed=4) > 0.2
    means = torch.stack([column[seen].mean() for column, seen in zip(x.T, observed.T, strict=True)])
    filled = torch.where(observed, x, means)
    garbage = torch.where(observed, x, torch.nan)
    ours = PrincipalComponents.fit(TensorRows(garbage, observed), 3)
    torch.testing.assert_close(ours.center, means)
    np.testing.assert_allclose(ours.reconstruct(filled), peer(filled, 3), atol=5e-6)
    torch.testing.assert_close(ours.fill(Batch(garbage, observed)), filled)
    assert ours.fill(Batch(x, None)) is x


def test_a_column_that_was_never_seen_stays_out():
    x, observed = cloud(), torch.ones(ROWS, WIDTH, dtype=torch.bool)
    observed[:, 2] = False
    ours = PrincipalComponents.fit(TensorRows(x, observed), 3)
    assert ours.center[2].item() == 0
    assert ours.components[:, 2].abs().max() < 1e-12


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("tied", [False, True])
def test_a_trained_linear_autoencoder_is_pca(hidden, tied):
    x = cloud()
    model = Dense(WIDTH, hidden, code=3, layer=Layer(lambda z: z, tied=tied))
    optimizer = FirstOrder(torch.optim.SGD, lr=0.02, momentum=0.9)
    fit(model, TensorRows(x), [Phase("train", Objective(), optimizer, 400, schedule=Cosine())], runtime=CPU)
    best = ((peer(x, 3) - x.double().numpy()) ** 2).sum(1).mean()
    with torch.no_grad():
        reached = squared_error(model(x), Batch(x, None)).item()
    assert best * (1 - 1e-5) <= reached <= 1.01 * best


@pytest.mark.parametrize("normalization", Normalization)
@pytest.mark.parametrize("hidden", [(), (20, 10)])
def test_a_model_can_start_as_pca(hidden, normalization):
    x = cloud()
    layer = Layer(torch.tanh, normalization=normalization, dropout=0.2)
    model = Dense(WIDTH, hidden, code=3, layer=layer, linear_path=True)
    found = PrincipalComponents.fit(TensorRows(x), 3)
    model.start_from_principal_components(found.components, found.center, scales=found.variances.sqrt())
    for mode in (True, False):
        run = model.train(mode)(x)
        np.testing.assert_allclose(run.reconstruction.detach(), peer(x, 3), atol=1e-5)
        torch.testing.assert_close(run.code.square().mean(0), torch.ones(3), rtol=1e-4, atol=0)


def test_and_can_only_get_better():
    x = cloud().tanh()
    model = Dense(WIDTH, (20,), code=2, layer=TANH, linear_path=True)
    found = PrincipalComponents.fit(TensorRows(x), 2)
    model.start_from_principal_components(found.components, found.center, scales=found.variances.sqrt())
    before = ((peer(x, 2) - x.double().numpy()) ** 2).sum(1).mean()
    phase = Phase("train", Objective(), FirstOrder(lr=0.01), 60)
    history = fit(model, TensorRows(x), [phase], validation=TensorRows(x), runtime=CPU)
    values = [row["validation"]["squared_error"] for row in history.rows if row["event"] == "epoch"]
    assert values[0] == pytest.approx(before, rel=1e-4)
    assert min(values) < 0.8 * before


@pytest.mark.parametrize(
    "arguments",
    [{"layer": Layer(tied=True)}, {"code_activation": sigmoid}],
)
def test_what_has_no_principal_components_is_refused(arguments):
    with pytest.raises(ValueError, match="a linear path needs a linear code and untied weights"):
        Dense(WIDTH, (4,), code=2, linear_path=True, **arguments)


def test_without_a_linear_path_there_is_nothing_to_start():
    model = Dense(WIDTH, code=2)
    with pytest.raises(ValueError, match="linear_path=True"):
        model.start_from_principal_components(torch.zeros(2, WIDTH), torch.zeros(WIDTH), scales=torch.ones(2))
