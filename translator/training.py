"""Training: the loop, validation, and going on after an interruption.

Shapes: B batch, S source length, T target length.
"""

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from sacrebleu.metrics import CHRF

from translator.augmentation import numerals_of
from translator.batching import (
    Batch,
    BatchPlan,
    Place,
    group_by_length,
    make_dataset,
    pad_batch,
)
from translator.cards import write_card
from translator.checkpoints import (
    BEST_NAME,
    LAST_NAME,
    load_state,
    save_state,
    save_weights,
)
from translator.config import (
    Config,
    SearchConfig,
    with_options,
)
from translator.corpus import Pair, PreparedCorpus
from translator.corpus.pairs import spread
from translator.errors import UserError
from translator.inference import Translator
from translator.precision import (
    choose_precision,
    computing_in,
)
from translator.preparation import find_strategy, prepare_run
from translator.reporting import ProgressBar, RunLog
from translator.run_folder import (
    check_new,
    removed_if_untrained,
    resumed_options,
)
from translator.schedules import learning_rate
from translator.scoring import make_bleu
from translator.startup import release_memory
from translator.tokenizer import Tokenizer
from translator.train_step import TrainStep, batch_loss

logger = logging.getLogger(__name__)

# Steps between two records of the loss: reading it back waits for the device.
_RECORD_INTERVAL = 20
# Seconds of training that may be lost when a process or a machine fails.
_SAVE_INTERVAL = 300
# Steps between two calls of `release_memory`, each of a tenth of a second.
_RELEASE_INTERVAL = 100
# Steps between two updates of the moving average; a validation brings it up to date.
# Every update reads and writes all weights; one in eight with the decay to the eighth
# power is nearly the same average.
_AVERAGING_INTERVAL = 8
_NUM_SAMPLES = 3


@dataclass
class Progress:
    """How far a run is: all that is not a variable.

    Attributes:
        step: Updates done.
        epoch: Epochs done.
        pool, batch: How far the epoch under way is, as in `Place`.
        minutes: Training time, validations included.
        best: Best development score (higher is better), or None.
        lowest_loss: Lowest development loss, in nats a target token, or None.
        num_stale: Validations since one of the two last improved.
        validated: Step of the last validation.
        averaged: Step of the last update of the averages.
        loss_total: Loss summed since the last record, in nats.
        num_tokens: Target tokens since then.
        seconds: Time of those steps.
        is_over: Whether the run ended by itself.
    """

    step: int = 0
    epoch: int = 0
    pool: int = 0
    batch: int = 0
    minutes: float = 0.0
    best: float | None = None
    lowest_loss: float | None = None
    num_stale: int = 0
    validated: int = 0
    averaged: int = 0
    loss_total: float = 0.0
    num_tokens: float = 0.0
    seconds: float = 0.0
    is_over: bool = False


class Validator:
    """Scores the weights on the development set, and takes the loss of some training
    pairs: as far as the two losses are apart, the network knows its texts by heart.

    Args:
        translator: Over the model that is trained.
        pairs: Development pairs; the first ones are the samples that are shown.
        training_pairs: As many training pairs, or fewer.
        batch_tokens: Most padded tokens in a batch.
    """

    def __init__(
        self,
        translator: Translator,
        pairs: list[Pair],
        training_pairs: list[Pair],
        batch_tokens: int,
    ):
        self.translator = translator
        self.pairs = pairs
        self._batches, self._training_batches = (
            _batches_of(own, translator.tokenizer, batch_tokens)
            for own in (pairs, training_pairs)
        )
        ids = tf.TensorSpec([None, None], tf.int32)
        self._loss = tf.function(
            lambda batch: batch_loss(translator.model, batch),
            input_signature=[Batch(ids, ids, ids)],
            jit_compile=False,
            autograph=False,
        )

    def scores(self) -> dict[str, Any]:
        """Returns losses (nats per target token), BLEU, chrF (0 to 100) and samples.

        Nothing is dropped, no label smoothed. Translations are found by greedy search.
        """
        translations = self.translator.translate_sentences(
            [pair.source for pair in self.pairs], SearchConfig(beam_size=1)
        )
        hypotheses = [t.hypotheses[0].text for t in translations]
        references = [[pair.target for pair in self.pairs]]
        bleu = make_bleu(self.translator.target_language)
        return {
            "loss": self._mean_loss(self._batches),
            "training_loss": self._mean_loss(self._training_batches),
            "bleu": bleu.corpus_score(hypotheses, references).score,
            "chrf": CHRF().corpus_score(hypotheses, references).score,
            "samples": [
                {"source": pair.source, "reference": pair.target, "hypothesis": text}
                for pair, text in zip(self.pairs, hypotheses, strict=True)
            ][:_NUM_SAMPLES],
        }

    def _mean_loss(self, batches: list[Batch]) -> float:
        totals, counts = zip(*map(self._loss, batches), strict=True)
        return float(tf.add_n(totals) / tf.add_n(counts))


def _batches_of(
    pairs: list[Pair], tokenizer: Tokenizer, batch_tokens: int
) -> list[Batch]:
    sources, targets = (
        tokenizer.encode_batch(list(side)) for side in zip(*pairs, strict=True)
    )
    # Equal lengths need no mixing here: the sum is the same in any order.
    groups = group_by_length(sources, targets, batch_tokens)
    return [pad_batch(*group) for group in groups]


class StopRequest:
    """Whether somebody asked the run to stop: Ctrl-C or SIGTERM."""

    def __init__(self):
        self.signal: signal.Signals | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Notes the first signal; a second Ctrl-C interrupts at once. Signals reach the
        main thread alone: from another one nobody can ask."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _note(self, number, _frame):
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.signal:
            # Past Python's buffers, which the signal may have found in use.
            os.write(2, b"\nStopping after this step, or this validation ...\n")
        self.signal = signal.Signals(number)


class Trainer:
    """The loop: epochs, records, validations, checkpoints.

    Args:
        config: All options.
        run_dir: The run folder.
        translator: Of the network to train, made in the strategy's scope.
        corpus: Training and development pairs.
        strategy: Where the steps run.
        console: Where progress is shown.
        num_parts: Parts of a batch that run side by side, see `TrainStep`.
    """

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        translator: Translator,
        corpus: PreparedCorpus,
        strategy: tf.distribute.Strategy,
        console: Console,
        num_parts: int = 1,
    ):
        self.config = config.training
        self.run_dir = run_dir
        self.model = translator.model
        self.console = console
        self.strategy = strategy
        self.train_step = TrainStep(self.model, self.config, strategy, num_parts)
        self.plan = BatchPlan(
            corpus.train,
            translator.tokenizer,
            self.config.batch_tokens,
            self.config.seed,
            config.data.subword_sampling,
            config.data.augmentation,
            config.data.placeholders,
            numerals_of(config.data.source_language, config.data.target_language),
        )
        count = self.config.validation_pairs
        self.validator = Validator(
            translator,
            [corpus.dev[i] for i in spread(len(corpus.dev), count)],
            corpus.train.take(spread(len(corpus.train), count)),
            self.config.batch_tokens,
        )
        self.progress = Progress()
        self.stop = StopRequest()
        self._pending: list[tuple[tf.Tensor, tf.Tensor]] = []
        self._step_function = None

    def restore(self) -> None:
        """Goes on from the run folder's last checkpoint."""
        if not (self.run_dir / LAST_NAME).exists():
            raise UserError(
                f"nothing was saved yet when the training in {self.run_dir} was broken "
                "off. Delete the folder, and start again without --resume."
            )
        saved = load_state(self.run_dir / LAST_NAME, self.train_step.variables)
        # Older runs do not tell when they averaged.
        self.progress = Progress(**{"averaged": saved["step"]} | saved)

    def run(self) -> None:
        """Trains until the epochs, the time or the patience are over, or a signal."""
        self.log = RunLog(self.run_dir, self.progress.step)
        self._started = time.perf_counter() - 60 * self.progress.minutes
        self._read = self._saved = time.perf_counter()
        try:
            with self.stop.listening():
                with ProgressBar(self.console) as self.bar:
                    while not self._is_over():
                        self._run_epoch(self.progress.epoch)
                    if self.progress.is_over and not self.progress.validated:
                        self._validate()  # it was stopped before the first time
                self._read_losses()
                self._save_last()
            self.log.draw()
        finally:
            self.log.close()
        if self.stop.signal:
            self.console.print(
                f"Stopped by {self.stop.signal.name} after step {self.progress.step}. "
                "Go on with --resume."
            )

    def _is_over(self) -> bool:
        progress = self.progress
        progress.minutes = (time.perf_counter() - self._started) / 60
        is_stale = self.config.patience and progress.num_stale >= self.config.patience
        is_late = (
            self.config.max_minutes and progress.minutes >= self.config.max_minutes
        )
        is_done = 0 < self.config.epochs <= progress.epoch
        progress.is_over = bool(is_stale or is_late or is_done)
        return progress.is_over or self.stop.signal is not None

    def _run_epoch(self, epoch: int) -> None:
        """Trains one epoch, or what is left of it."""
        dataset = self._dataset(epoch)
        if self._step_function is None:
            batch_spec = dataset.element_spec[1]
            self._step_function = self.train_step.compile(batch_spec)
        is_epoch_over = False
        for place, batch in dataset:
            self._run_step(epoch, self._last_place(place), batch)
            every = self.config.validate_every
            if every and self.progress.step % every == 0:
                self._validate()
            if self._is_over():
                break
        else:
            is_epoch_over = True
        if self.stop.signal:
            return  # what is due now is done when the run goes on
        if is_epoch_over:
            self.progress.epoch = epoch + 1
            self.progress.pool = self.progress.batch = 0
        # A run that ends by itself ends with a validation of its last weights.
        is_due = (is_epoch_over and not self.config.validate_every) or self._is_over()
        if is_due and self.progress.validated != self.progress.step:
            self._validate()

    def _dataset(self, epoch: int):
        """The rest of the epoch's batches, distributed over the replicas."""

        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            start = Place(self.progress.pool, self.progress.batch)
            dataset = make_dataset(self.plan, epoch, start)
            return dataset.shard(context.num_input_pipelines, context.input_pipeline_id)

        # The host needs the token ids, too: their number, their padding.
        options = tf.distribute.InputOptions(experimental_fetch_to_device=False)
        return self.strategy.distribute_datasets_from_function(make, options)

    def _last_place(self, place: Place) -> Place:
        """Returns the last of the places of the replicas' batches.

        A replica that is left without a batch has a place of zeros.
        """
        parts = map(self.strategy.experimental_local_results, place)
        places = zip(*([part.numpy().item() for part in p] for p in parts), strict=True)
        return max(Place(*place) for place in places)

    def _run_step(self, epoch: int, place: Place, batch) -> None:
        progress = self.progress
        progress.step += 1
        progress.pool, progress.batch, fraction = place
        epochs_done = epoch + fraction
        done = self._done(epochs_done)
        rate = learning_rate(self.config, progress.step, done)
        # As an array: TensorFlow keeps a tensor for each float that it has ever seen.
        self.train_step.optimizer.learning_rate.assign(np.float32(rate))
        self._pending.append(self._step_function(batch))
        if progress.step % _AVERAGING_INTERVAL == 0:
            self._update_averages()
        if progress.step % _RELEASE_INTERVAL == 0:
            release_memory()
        if progress.step % _RECORD_INTERVAL == 0 or progress.step == 1:
            self._record(epochs_done, rate, done)

    def _update_averages(self) -> None:
        """Brings the averages up to date."""
        progress = self.progress
        num_steps = progress.step - progress.averaged
        if self.config.averaging and num_steps:
            self.train_step.update_averages(progress.step, num_steps)
            progress.averaged = progress.step

    def _done(self, epochs_done: float) -> float:
        """Fraction of the run that is over: by epochs, or by time if that is more."""
        done = 0.0
        if self.config.epochs:
            done = epochs_done / self.config.epochs
        if self.config.max_minutes:
            done = max(done, self.progress.minutes / self.config.max_minutes)
        return min(1.0, done)

    def _record(self, epochs_done: float, rate: float, done: float) -> None:
        """Writes and shows the mean loss since the last record."""
        self._read_losses()
        progress, now = self.progress, time.perf_counter()
        loss = progress.loss_total / progress.num_tokens
        speed = progress.num_tokens / progress.seconds
        progress.loss_total = progress.num_tokens = progress.seconds = 0.0
        self.log.write(
            "train",
            progress.step,
            epoch=round(epochs_done, 4),
            loss=loss,
            learning_rate=rate,
            tokens_per_second=speed,
            minutes=(now - self._started) / 60,
        )
        self.bar.update(
            done,
            now - self._started,
            f"epoch {epochs_done:.2f}  step {progress.step}  loss {loss:.3f}  "
            f"{speed:,.0f} tokens/s",
        )
        if now - self._saved > _SAVE_INTERVAL:
            self._save_last()

    def _read_losses(self) -> None:
        """Adds the losses of the last steps to the progress."""
        progress = self.progress
        for total, num_tokens in self._pending:
            progress.loss_total += float(total)
            progress.num_tokens += float(num_tokens)
        now = time.perf_counter()
        progress.seconds += now - self._read
        self._pending, self._read = [], now
        self._check_finite(progress.loss_total)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is not a number after step {self.progress.step}. What was "
                "saved before is kept. Lower learning_rate or clip_norm and start "
                "again."
            )

    def _validate(self) -> None:
        """Scores the averaged weights, keeps them if they are the best so far."""
        progress = self.progress
        self._read_losses()
        self._update_averages()
        with self.train_step.averaged():
            scores = self.validator.scores()
            self._check_finite(scores["loss"])
            score = scores[self.config.select_by]
            score = -score if self.config.select_by == "loss" else score
            # At first the loss alone tells that the network learns: BLEU stays at 0.
            lowest, best = progress.lowest_loss, progress.best
            is_lowest = lowest is None or scores["loss"] < lowest
            is_best = best is None or (score, is_lowest) > (best, False)
            if is_best:
                progress.best = score
                save_weights(self.model, self.run_dir / BEST_NAME)
        if is_lowest:
            progress.lowest_loss = scores["loss"]
        progress.num_stale = 0 if is_best or is_lowest else progress.num_stale + 1
        progress.minutes = (time.perf_counter() - self._started) / 60
        self.log.write(
            "validation",
            progress.step,
            epoch=progress.epoch,
            minutes=progress.minutes,
            **scores,
        )
        self.log.draw()
        progress.validated = progress.step
        self._save_last()
        self._show(scores, is_best)
        self._read = time.perf_counter()

    def _show(self, scores: dict[str, Any], is_best: bool) -> None:
        progress = self.progress
        best = "  (best so far)" if is_best else ""
        self.console.print(
            f"step {progress.step}, {progress.minutes:.1f} min: dev loss "
            f"{scores['loss']:.3f} (training {scores['training_loss']:.3f})  "
            f"BLEU {scores['bleu']:.1f}  chrF {scores['chrf']:.1f}{best}",
            highlight=False,
        )
        for sample in scores["samples"]:
            self.console.print(
                f"    {sample['source']}  →  {sample['hypothesis']}",
                markup=False,
                highlight=False,
            )

    def _save_last(self) -> None:
        save_state(
            self.run_dir / LAST_NAME, self.train_step.variables, asdict(self.progress)
        )
        self._saved = time.perf_counter()


def train(config: Config, run_dir: str | Path, *, resume: bool = False) -> None:
    """Trains a model as the options say, and leaves a run folder.

    Args:
        config: The options. When resuming, those that shape the run (data, model,
            seed) must be the saved ones, if they are given.
        run_dir: The run folder; a new run's is missing or empty.
        resume: Go on from the folder's last checkpoint.

    Raises:
        UserError: Bad data or options; nothing to resume, or another model's options;
            something in the folder of a new run.
    """
    run_dir = Path(run_dir)
    if resume:
        config = resumed_options(run_dir, config)
        _train(config, run_dir, resume=True)
        return
    check_new(run_dir, config)
    with removed_if_untrained(run_dir):
        _train(config, run_dir, resume=False)


def _train(config: Config, run_dir: Path, *, resume: bool) -> None:
    # Plain lines in a notebook too: the live display there needs ipywidgets.
    console = Console(stderr=True, force_jupyter=False)
    strategy, num_parts = find_strategy(console, config.training.batch_tokens)
    keras.utils.set_random_seed(config.training.seed)
    precision = choose_precision(config.training.mixed_precision)
    config = with_options(config, "training", mixed_precision=precision)
    with computing_in(precision):
        run = prepare_run(config, run_dir, strategy, console, resume=resume)
        trainer = Trainer(
            run.config,
            run_dir,
            run.translator,
            run.corpus,
            strategy,
            console,
            num_parts,
        )
        if resume:
            trainer.restore()
        run.save(run_dir)
        num_steps = trainer.progress.step
        trainer.run()
    write_card(run_dir)
    progress = trainer.progress
    if not trainer.stop.signal:
        if 0 < run.config.training.patience <= progress.num_stale:
            console.print(
                f"Ended by --patience: {progress.num_stale} validations in a row were "
                "no better",
                highlight=False,
            )
        line = f"Done: {run_dir}"
        if progress.step == num_steps:
            line = (
                f"{run_dir} was finished before: {progress.step:,} steps in "
                f"{progress.minutes:.0f} minutes. To train on, give more --epochs or "
                "--max-minutes, or --patience 0."
            )
        console.print(line, markup=False, highlight=False)
