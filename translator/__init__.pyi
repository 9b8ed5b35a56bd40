"""The public names, for editors and type checkers."""

from translator.config import Config as Config
from translator.config import SearchConfig as SearchConfig
from translator.config import make_config as make_config
from translator.corpus import prepare_corpus as prepare_corpus
from translator.errors import UserError as UserError
from translator.export import SavedModelTranslator as SavedModelTranslator
from translator.export import export_saved_model as export_saved_model
from translator.inference import Translator as Translator
from translator.inspection import alternatives as alternatives
from translator.inspection import read_gates as read_gates
from translator.inspection import search_tree as search_tree
from translator.layers.attention import AdditiveAttention as AdditiveAttention
from translator.layers.attention import DotAttention as DotAttention
from translator.layers.attention import GeneralAttention as GeneralAttention
from translator.layers.attention import MultiHeadAttention as MultiHeadAttention
from translator.layers.decoder import ClassicDecoder as ClassicDecoder
from translator.layers.decoder import ParallelDecoder as ParallelDecoder
from translator.layers.encoder import BidirectionalEncoder as BidirectionalEncoder
from translator.layers.gru import GRU as GRU
from translator.layers.gru import GRUCell as GRUCell
from translator.light.export import export_onnx as export_onnx
from translator.light.runtime import OnnxTranslator as OnnxTranslator
from translator.loading import load_translator as load_translator
from translator.model import Seq2Seq as Seq2Seq
from translator.model import build_model as build_model
from translator.search import beam_search as beam_search
from translator.tokenizer import Tokenizer as Tokenizer
from translator.training import train as train
from translator.translations import Translation as Translation

__version__: str
