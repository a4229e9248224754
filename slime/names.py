"""Names for agents whose owner gave them none: two words that a person can say and remember.

Pure: the choice is made by a random source that is an argument.
"""

from __future__ import annotations

from random import Random

__all__ = ["random_name"]

_QUALITIES = (
    "amber azure brave breezy bright brisk calm candid cheery clever copper coral cosy crisp curious daring "
    "deft eager early fair fleet fond frank gentle glad golden grand happy hardy hazel honest humble jolly "
    "keen kind lively loyal lucid lucky mellow merry mild misty modest neat nimble noble patient placid plucky "
    "polite proud quick quiet rapid ready rosy sandy silver sleek smart snug sober solid spry steady still "
    "stout sunny supple swift tidy tranquil trusty vivid warm wise witty young zesty"
).split()

_CREATURES = (
    "adder alpaca badger beaver bison bittern bream bunting carp civet condor coot crane curlew dingo dipper "
    "dormouse eel egret eland falcon ferret finch fox gannet gecko gibbon goshawk grebe hare heron hornet ibex "
    "ibis jackdaw jay kestrel kite lark lemur linnet lizard llama lynx magpie marten merlin mole moth newt "
    "ocelot osprey otter owl oyster pelican perch petrel pika plover puffin quail raven robin salmon shrew "
    "siskin snail sparrow stoat stork swallow swan tapir teal tern thrush toad trout turtle vole walrus weasel "
    "wombat wren yak zebra"
).split()


def random_name(random: Random) -> str:
    """Two words with a dash, such as ``sunny-otter``."""
    return f"{random.choice(_QUALITIES)}-{random.choice(_CREATURES)}"
