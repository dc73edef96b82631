"""The models by name. A new model is one file in this folder and one entry in this table."""

from makemore.models.base import Model
from makemore.models.bigram import Bigram
from makemore.models.ngram import Ngram

MODELS: dict[str, type[Model]] = {model.name: model for model in (Bigram, Ngram)}
