"""The scale of Multi30k papers: BLEU of lower-cased, Moses-tokenised text.

Its makers publish the references of the test sets in that form, and published scores
are nearly always against those.
"""

from collections.abc import Sequence

from translator.corpus.fetching import fetch
from translator.corpus.registry import CORPORA, RemoteFile

# Name of a file of the official references -> size in bytes, SHA-256.
_FILES = {
    "test_2016_flickr.lc.norm.tok.de": (
        71_917,
        "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    ),
    "test_2016_flickr.lc.norm.tok.en": (
        63_307,
        "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
    ),
    "test_2016_flickr.lc.norm.tok.fr": (
        76_394,
        "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836",
    ),
    "test_2017_flickr.lc.norm.tok.de": (
        65_228,
        "02067e4a9402786a4fcb8c1b6f4307e4a5073ced64800abead5273b54f5f31f6",
    ),
    "test_2017_flickr.lc.norm.tok.en": (
        56_123,
        "c9d1dfd7a26add989382e534af235af9f0f658b2a30e7eb0efdaf142496ee54f",
    ),
    "test_2017_flickr.lc.norm.tok.fr": (
        69_537,
        "c0583117a47b31e8a6c6a97cfe8de153e462074668f4e994764fcc80b21d33b4",
    ),
}


def official_references(corpus: str, test: str, language: str) -> list[str] | None:
    """Returns the tokenised references of a Multi30k test set, fetched if needed.

    Args:
        corpus: Name of a corpus, such as `multi30k-en-de`.
        test: Name of one of its test sets, such as `test_2016_flickr`.
        language: Code of the side that is translated into.

    Returns:
        One line a sentence, or None where there are no such references.

    Raises:
        UserError: The file cannot be fetched.
    """
    name = f"{test}.lc.norm.tok.{language}"
    if not corpus.startswith("multi30k-") or name not in _FILES:
        return None
    size, sha256 = _FILES[name]
    # Beside the folder of the files as they were written.
    base = CORPORA[corpus].tests[test][0].address.rpartition("/raw/")[0]
    file = RemoteFile(f"multi30k/tok/{name}", f"{base}/tok/{name}", sha256, size)
    text = fetch(file, CORPORA[corpus].release).read_text("utf-8")
    return text.removesuffix("\n").split("\n")


def tokenize_moses(texts: Sequence[str], language: str) -> list[str]:
    """Returns the texts lower-cased, normalised and tokenised, in this order.

    Applied to the 6,000 raw references of the test sets it gives the official ones,
    but for one line.

    Example:
        >>> tokenize_moses(["Ein Mann ruft: »Halt!«"], "de")
        ['ein mann ruft : &quot; halt ! &quot;']
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return [
        tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True)
        for text in texts
    ]
