"""When a run may begin in a folder, and how it goes on."""

import pytest

from translator.config import make_config, save_config
from translator.errors import UserError
from translator.run_folder import check_new, removed_if_untrained, resumed_options


@pytest.mark.parametrize("made", ["data", "checkpoints", "checkpoints/last.npz"])
def test_what_did_not_begin_leaves_nothing(tmp_path, made):
    """Catches: a folder that can be neither trained into again nor resumed, because
    the corpus has a bad line; a run deleted that has trained."""
    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), removed_if_untrained(run_dir):
        (run_dir / made).mkdir(parents=True)
        raise KeyboardInterrupt
    assert run_dir.exists() == made.endswith("last.npz")


def test_a_new_run_wants_a_folder_of_its_own(tmp_path):
    """Catches: files of others among those of a run."""
    config = make_config(options={"corpus": ("numbers-en-es",)})
    for folder in tmp_path / "new", tmp_path:
        check_new(folder, config)
    (tmp_path / "notes.txt").write_text("mine")
    for taken in tmp_path, tmp_path / "notes.txt":
        with pytest.raises(UserError, match="is there already"):
            check_new(taken, config)


def test_options_that_were_not_given_are_the_saved_ones(tmp_path):
    """Catches: defaults in place of what the run was trained with."""
    saved = make_config("tiny", options={"corpus": ("numbers-en-es",), "dropout": 0.25})
    save_config(saved, tmp_path / "config.json")
    resumed = resumed_options(tmp_path, make_config(options={"epochs": 77}))
    assert (resumed.model, resumed.data) == (saved.model, saved.data)
    assert resumed.training.epochs == 77
    with pytest.raises(UserError, match=r"dropout is 0.25 in .* Received: 0.1"):
        resumed_options(tmp_path, make_config(options={"dropout": 0.1}))
