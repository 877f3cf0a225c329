"""The PyTorch engine: right weights or a full account of the wrong ones, right device or a reason."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REVIEWS
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from ftapp.batching import collate, sigmoid, softmax
from ftapp.engines import open_engine, roberta
from ftapp.engines import torch as torch_engine
from ftapp.engines.torch import TorchEngine, check_format, quantize_dynamic, resolve_device
from ftapp.errors import CheckpointError, InputError, UnsupportedError
from ftapp.predictor import Predictor
from ftapp.schema import KEYWORDS, SENTIMENTS
from ftapp.tokenizer import Tokenizer
from ftapp.variants import VARIANTS

Pair = tuple[Path, Path]


@pytest.fixture(autouse=True)
def same_threads():
    """Give torch back the threads that it had."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copied_folder(plain_pair: Pair, tmp_path: Path) -> Path:
    """Return a copy of the keyword model that a test may spoil."""
    return Path(shutil.copytree(plain_pair[0], tmp_path / "keyword"))


@pytest.fixture(scope="module")
def batch(plain_pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of the reviews."""
    tokenizer = Tokenizer.open(plain_pair[0])
    rows = [tokenizer.plain_frame().wrap(e.ids) for e in tokenizer.encode([review.split() for review in REVIEWS])]
    one = collate([rows], [(0, row) for row in range(len(rows))], tokenizer.pad)
    return one.ids, one.mask


def change_weights(folder: Path, *, drop: tuple[str, ...] = (), **add: torch.Tensor) -> None:
    """Write a folder's weights anew, without some and with others; `__` in a name stands for a point."""
    weights = {name: value for name, value in load_file(folder / "model.safetensors").items() if name not in drop}
    weights |= {name.replace("__", "."): value for name, value in add.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


# Logits


@pytest.mark.parametrize("half", [0, 1])
def test_the_full_engine_answers_as_the_model_does(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray], half: int) -> None:
    engine = TorchEngine(plain_pair[half], device="cpu")
    model = AutoModelForSequenceClassification.from_pretrained(plain_pair[half]).eval()
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, batch)).logits.numpy()
    logits = engine.logits(*batch)
    assert (logits.dtype, engine.labels) == (np.float32, len((KEYWORDS, SENTIMENTS)[half]))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_array_equal(engine.logits(*batch), logits)  # no dropout


def test_rows_without_padding_need_no_mask(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray]) -> None:
    ids, mask = (array[:, :3] for array in batch)
    assert mask.all()
    model = AutoModelForSequenceClassification.from_pretrained(plain_pair[0]).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
    np.testing.assert_allclose(TorchEngine(plain_pair[0], device="cpu").logits(ids, mask), expected, atol=1e-5)


def test_an_unusual_model_keeps_the_stock_forward_pass(copied_folder: Path, batch: tuple[np.ndarray, np.ndarray]) -> None:
    config = json.loads((copied_folder / "config.json").read_text(encoding="utf-8")) | {"is_decoder": True}
    (copied_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    engine = TorchEngine(copied_folder, device="cpu")
    assert not engine._short
    with torch.inference_mode():
        expected = engine._model(*map(torch.from_numpy, batch)).logits.numpy()
    np.testing.assert_array_equal(engine.logits(*batch), expected)


def test_padding_changes_nothing(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray]) -> None:
    engine = TorchEngine(plain_pair[0], device="cpu")
    together = engine.logits(*batch)
    for ids, mask, expected in zip(*batch, together, strict=True):
        length = int(mask.sum())
        np.testing.assert_allclose(engine.logits(ids[None, :length], mask[None, :length])[0], expected, atol=1e-5)


def test_the_longest_input_fits(plain_pair: Pair) -> None:
    ids = np.full((1, 128), 7, dtype=np.int64)
    assert np.isfinite(TorchEngine(plain_pair[0], device="cpu").logits(ids, np.ones_like(ids))).all()


def test_dynamic_int8_stays_close_to_full(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray]) -> None:
    logits = [
        [TorchEngine(folder, variant, "cpu").logits(*batch) for folder in plain_pair] for variant in ("full", "dynamic-int8")
    ]
    (keywords, sentiments), (keywords8, sentiments8) = logits
    assert not np.array_equal(keywords, keywords8)
    assert keywords8.dtype == np.float32
    for difference in (sigmoid(keywords) - sigmoid(keywords8), softmax(sentiments) - softmax(sentiments8)):
        assert np.abs(difference).max() < 0.25  # 32 random dimensions: a real model is much closer
        assert np.abs(difference).mean() < 0.04
    assert ((keywords > 0) == (keywords8 > 0)).mean() > 0.9
    assert (sentiments.argmax(axis=1) == sentiments8.argmax(axis=1)).mean() > 0.8


def test_dynamic_int8_holds_integers(plain_pair: Pair) -> None:
    model = TorchEngine(plain_pair[0], "dynamic-int8", "cpu")._model
    linears = [module for module in model.modules() if isinstance(module, torch.ao.nn.quantized.dynamic.Linear)]
    # Projections, output and the feed-forward's two; in the last layer the query instead; the classifier's two.
    assert len(linears) == 4 + 4 + 2
    assert {linear.weight().dtype for linear in linears} == {torch.qint8}
    floats = [name for name, module in model.named_modules() if type(module) is torch.nn.Linear]
    assert floats == roberta.unread_projections(model)


@pytest.mark.parametrize(("width", "pays", "kernels"), [(768, True, "onednn"), (768, False, "usual"), (256, True, "usual")])
def test_wide_models_are_packed_for_onednn_where_that_pays(
    copied_folder: Path, monkeypatch: pytest.MonkeyPatch, width: int, pays: bool, kernels: str
) -> None:
    chosen = []
    usual = torch.backends.quantized.engine
    model = torch_engine.load_model(copied_folder)
    model.config.hidden_size = width
    monkeypatch.setattr(torch_engine, "int8_pays", lambda: pays)
    monkeypatch.setattr(torch.ao.quantization, "quantize_dynamic", lambda *_: chosen.append(torch.backends.quantized.engine))
    quantize_dynamic(model, torch.device("cpu"))
    assert chosen == [usual if kernels == "usual" else kernels]
    assert torch.backends.quantized.engine == usual


# Weights


def test_all_that_is_wrong_with_the_weights_stands_in_one_error(copied_folder: Path) -> None:
    change_weights(
        copied_folder,
        drop=("classifier.dense.weight", "roberta.encoder.layer.1.output.dense.bias"),
        bert_model__pooler=torch.zeros(3),
        adapter__weight=torch.zeros(3),
        classifier__out_proj__weight=torch.zeros(5, 32),
    )
    with pytest.raises(CheckpointError) as caught:
        TorchEngine(copied_folder, device="cpu")
    for fault in (
        "missing classifier.dense.weight",
        "missing roberta.encoder.layer.1.output.dense.bias",
        "unexpected adapter.weight",
        "unexpected bert_model.pooler",
        "wrong shape classifier.out_proj.weight, [14, 32] is needed",
    ):
        assert fault in str(caught.value)


def test_buffers_of_old_versions_are_ignored(
    plain_pair: Pair, copied_folder: Path, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    change_weights(
        copied_folder,
        roberta__embeddings__position_ids=torch.arange(130)[None],
        roberta__embeddings__token_type_ids=torch.zeros(1, 130, dtype=torch.long),
        old__embeddings__position_ids=torch.arange(130)[None],  # one that this version of transformers does not know
    )
    expected = TorchEngine(plain_pair[0], device="cpu").logits(*batch)
    np.testing.assert_array_equal(TorchEngine(copied_folder, device="cpu").logits(*batch), expected)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_loaded_as_float32(
    copied_folder: Path, batch: tuple[np.ndarray, np.ndarray], kind: torch.dtype
) -> None:
    full = TorchEngine(copied_folder, device="cpu").logits(*batch)
    halves = {name: value.to(kind) for name, value in load_file(copied_folder / "model.safetensors").items()}
    save_file(halves, copied_folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((copied_folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = config["torch_dtype"] = str(kind).removeprefix("torch.")  # what the file says of itself
    (copied_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    engine = TorchEngine(copied_folder, device="cpu")
    assert {parameter.dtype for parameter in engine._model.parameters()} == {torch.float32}
    logits = engine.logits(*batch)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, full, atol=0.02 if kind == torch.float16 else 0.2)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\xff" * 64])
def test_a_broken_weights_file_is_refused(copied_folder: Path, content: bytes) -> None:
    (copied_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="keyword' cannot be loaded"):
        TorchEngine(copied_folder, device="cpu")


def test_a_weights_file_that_was_cut_off_is_refused(copied_folder: Path) -> None:
    path = copied_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TorchEngine(copied_folder, device="cpu")


def test_pickled_weights_are_not_opened(copied_folder: Path) -> None:
    torch.save(load_file(copied_folder / "model.safetensors"), copied_folder / "pytorch_model.bin")
    (copied_folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TorchEngine(copied_folder, device="cpu")


# Devices and variants


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(plain_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:0"):
        with pytest.raises(UnsupportedError, match="no CUDA device"):
            TorchEngine(plain_pair[0], device=device)
    assert TorchEngine(plain_pair[0]).device == torch.device("cpu")


def test_with_gpus_auto_is_cuda_and_each_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    names = ("auto", "cuda", "cuda:1", "cpu")
    assert [str(resolve_device(name)) for name in names] == ["cuda", "cuda", "cuda:1", "cpu"]
    with pytest.raises(UnsupportedError, match="cuda:2"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize("device", ["gpu", "", "CPU", "cuda:", "cuda:x", "cuda0", "cpu:1", "mps"])
def test_an_unknown_device_is_refused(monkeypatch: pytest.MonkeyPatch, device: str, gpu: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with pytest.raises(InputError, match=f"no device '{device}'"):
        resolve_device(device)


def test_dynamic_int8_is_refused_on_a_gpu() -> None:
    with pytest.raises(UnsupportedError, match="CPU only"):
        quantize_dynamic(torch.nn.Linear(2, 2), torch.device("cuda"))


@pytest.mark.parametrize("variant", ["int4", "", "Full"])
def test_an_unknown_variant_is_refused_with_the_known_ones(plain_pair: Pair, variant: str) -> None:
    with pytest.raises(InputError, match=f"no variant '{variant}'.*full.*dynamic-int8"):
        open_engine(plain_pair[0], variant, "cpu")


@pytest.mark.parametrize(("device", "kind"), [("cpu", "CPU"), ("cuda:1", "GPU")])
def test_bf16_is_refused_where_it_is_not_native(monkeypatch: pytest.MonkeyPatch, device: str, kind: str) -> None:
    asked = []
    monkeypatch.setattr(torch_engine, "bf16_pays", lambda name: bool(asked.append(name)))
    with pytest.raises(UnsupportedError, match=f"bf16 is not supported here: this {kind} has no bf16"):
        check_format("bf16", torch.device(device))
    assert asked == [device]


def test_bf16_and_fp16_engines_are_refused_before_they_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch_engine, "bf16_pays", lambda name: False)
    with pytest.raises(UnsupportedError, match=r"this CPU has no bf16 instructions.*many times slower"):
        TorchEngine(tmp_path, "bf16", "cpu")
    with pytest.raises(UnsupportedError, match="fp16 is not supported here: it runs on CUDA devices only"):
        TorchEngine(tmp_path, "fp16", "cpu")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["bf16", "fp16", "full"])
def test_formats_that_a_device_computes_are_let_through(monkeypatch: pytest.MonkeyPatch, name: str, device: str) -> None:
    monkeypatch.setattr(torch_engine, "bf16_pays", lambda name: True)
    if (name, device) != ("fp16", "cpu"):
        check_format(name, torch.device(device))


@pytest.mark.parametrize("name", ["float32", "", "BF16"])
def test_an_unknown_format_is_refused(plain_pair: Pair, name: str) -> None:
    with pytest.raises(InputError, match=f"no format '{name}'; choose one of full, bf16, fp16, dynamic-int8"):
        TorchEngine(plain_pair[0], name, "cpu")


@pytest.mark.parametrize("half", [0, 1])
def test_bf16_stays_close_to_full(
    plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch, half: int
) -> None:
    monkeypatch.setattr(torch_engine, "bf16_pays", lambda name: True)
    engine = TorchEngine(plain_pair[half], "bf16", "cpu")
    assert {parameter.dtype for parameter in engine._model.parameters()} == {torch.bfloat16}
    full, logits = TorchEngine(plain_pair[half], "full", "cpu").logits(*batch), engine.logits(*batch)
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - full).max() < 0.05 * np.abs(full).max()  # eight bits of a number
    short = engine.logits(*(array[:, :3] for array in batch))  # without padding
    np.testing.assert_allclose(short, TorchEngine(plain_pair[half]).logits(*(x[:, :3] for x in batch)), atol=0.3)


@pytest.mark.parametrize("variant", ["full", "bf16", "dynamic-int8"])
def test_every_torch_variant_opens_by_its_name(plain_pair: Pair, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    monkeypatch.setattr(torch_engine, "bf16_pays", lambda name: True)
    assert VARIANTS[variant].engine == "torch"
    assert open_engine(plain_pair[1], variant, "cpu").labels == len(SENTIMENTS)


def test_torch_uses_the_granted_cores(plain_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for cores in (1, 2):
        monkeypatch.setattr(torch_engine, "granted_cores", lambda cores=cores: cores)
        TorchEngine(plain_pair[0], device="cpu")
        assert torch.get_num_threads() == cores


@pytest.mark.parametrize(("cores", "streams", "each"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (9, 4, 2)])
def test_streams_share_the_cores_and_answer_as_all_cores_do(
    plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch, cores: int, streams: int, each: int
) -> None:
    monkeypatch.setattr(torch_engine, "granted_cores", lambda: cores)
    engine = TorchEngine(plain_pair[0], device="cpu")
    assert engine.streams == streams

    def stream(number: int) -> tuple[np.ndarray, int]:
        return engine.stream_logits(*batch), torch.get_num_threads()

    expected = engine.logits(*batch)
    with ThreadPoolExecutor(streams) as pool:
        for logits, threads in pool.map(stream, range(8)):
            np.testing.assert_allclose(logits, expected, atol=1e-5)
            assert threads == each
    with ThreadPoolExecutor(1) as pool:  # a thread that was born when the last to set a number had set another
        assert pool.submit(lambda: (engine.logits(*batch), torch.get_num_threads())).result()[1] == cores


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_half_precision_on_cuda_stays_close_to_full(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray], name: str) -> None:
    full = TorchEngine(plain_pair[0], device="cpu").logits(*batch)
    logits = TorchEngine(plain_pair[0], name, "cuda").logits(*batch)
    assert np.abs(logits - full).max() < 0.05 * np.abs(full).max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_answers_as_the_cpu_does(plain_pair: Pair, batch: tuple[np.ndarray, np.ndarray], predictor: Predictor) -> None:
    logits = TorchEngine(plain_pair[0], device="cuda").logits(*batch)
    np.testing.assert_allclose(logits, predictor.keyword_engine.logits(*batch), atol=1e-3)
