"""Whether an answer declines to answer: patterns for what language models say instead of an answer, English and Chinese.

The patterns are narrow on purpose, since a real answer taken for a refusal counts as wrong: "The warranty does not cover
hoses", "Not stated by the board until 2024", "No information desk" and "不确定性原理" are answers.
tests/metrics/test_refusal.py is the table of both kinds.
"""

from __future__ import annotations

import re

# what the question is asked of, as a model may call it
_PASSAGES = r"(passages?|excerpts?|contexts?)"
_SOURCE = (
    r"((the|these|this|those|any|your|given|provided|retrieved|above|available|supplied) )*"
    r"(passages?|excerpts?|contexts?|texts?|documents?|sources?|information|materials?)( (given|provided|above|supplied))?"
)
_ADVERB = r"( explicitly| directly| clearly| specifically| actually| really| even| seem to| appear to| honestly| just| simply)*"
_SAY = r"(mention|state|specify|say|provide|give|answer|indicate|tell|reveal|explain|address)"
_HAVE = r"(contain|include|have|hold|cover|offer|list|show|discuss|describe|name|report)"
_NEWS = r"(\w+ ){0,3}(information|answers?|details?|mention|indication|data|knowledge|idea)"
_SAID = r"(mentioned|stated|specified|indicated|disclosed|given|provided|known)"
_END = r"(\W*$|[.!?;。！？；])"
_SAID_TO_BE = r"(given|provided|available|found|stated)"

# in front of a refusal, as often as they like
_BEFORE = (
    rf"((sorry|unfortunately|however|well|but|that|answer|the answer is|i('m| am) (very |so )?(sorry|afraid)|i apologi[sz]e|"
    rf"(based on|according to|from|in) {_SOURCE})\b"
    r"|抱歉|很抱歉|非常抱歉|对不起|不好意思|答案是?|(根据|从)?(给出的|提供的|上述|以上|这些)?(段落|材料|资料|信息|上下文)(中|来看)?)\W*"
)
_ENGLISH = (
    rf"(i|we){_ADVERB} (do not|don'?t){_ADVERB} know\b",
    rf"(i )?(do not|don'?t) know{_END}",
    rf"i (do not|don'?t) have (any |the |an? |enough |access|{_NEWS})",
    rf"i (have|'ve) (no|not enough|insufficient) {_NEWS}",
    r"i('m| am) (not (sure|certain|aware)|unsure|unable to|not able to)\b",
    r"i (cannot|can'?t|can not|could not|couldn'?t) (answer|find|determine|tell|say|provide|help|confirm)\b",
    r"we (cannot|can'?t|can not|could not|couldn'?t|are unable to|are not able to) (answer|determine)\b",
    rf"((it|that|this|the answer)( is|'s) )?(unknown|not known|not sure|unclear|not clear|unanswerable|no idea|no answer|n/a){_END}",
    r"(it|that|this|(the|this|that|your) (answer|question)) (cannot|can'?t|can not|could not|couldn'?t) be (determined|answered|found)\b",
    # The passages do not mention …; This document does not state …; The text does not contain any information …
    rf"((the|these|this|those|given|provided|retrieved) )*{_PASSAGES}( (given|provided|above))? (do|does|did)( not|n'?t){_ADVERB} ({_SAY}|{_HAVE})\b",
    rf"{_SOURCE} (do|does|did)( not|n'?t){_ADVERB} ({_SAY}|{_HAVE} (the |an? |any |enough |{_NEWS}))",
    rf"(none of {_SOURCE}|neither (of {_SOURCE}|passage)|no {_PASSAGES}) {_ADVERB}\w*({_SAY}|{_HAVE})",
    rf"{_SOURCE} (contains?|provides?|gives?|has|have|holds?|offers?|makes?|includes?) (no|insufficient) {_NEWS}\b",
    # There is no information about …; not: There is no information desk
    rf"(there (is|was|are|were|'s) )?(no|not enough|not any|insufficient) (\w+ )?(information|details|mention|answer|data)"
    rf"({_END}| (is |was |are )?{_SAID_TO_BE}{_END}"
    rf"| (is |was |are )?({_SAID_TO_BE} )?(about|regarding|on the|on how|of the|of any|to answer|(in|from|by) {_SOURCE}))",
    # Not mentioned; The price is not stated in the passages; not: Lunch is not provided, Not stated by the board until 2024
    rf"((it|that|this|the answer|which)( is|'s| was) )?not{_ADVERB} {_SAID}{_END}",
    rf"([\w'/-]+ ){{0,8}}?(is|are|was|were)( not|n't){_ADVERB} (mentioned|stated|specified|indicated|disclosed){_END}",
    rf"([\w'/-]+ ){{0,10}}?([\w]*n't|not){_ADVERB} "
    rf"({_SAID}|in|available|included|contained|found|answered|described|part of)( anywhere)?( in| by| from| within)? {_SOURCE}{_END}",
)
_ZH_SOURCE = r"(给出的|提供的|所给的?|上述|以上|这些|该|此|本)*(段落|文中|文章|文本|资料|材料|原文|上文|文档|信息|内容|上下文)(中|里|内)?"
_ZH_SAY = r"(提到|提及|给出|说明|写明|指出|记载|透露)"
_ZH_END = r"(\W|$|答案|这|该|此|您|你|问题|具体|相关)"
_CHINESE = (
    r"(我|我们|本人)(也|并|真的|还|目前)*不太?(知道|清楚|确定|了解|晓得)",
    rf"不太?(知道|清楚|确定|了解)({_ZH_END})",
    rf"(我|我们|目前|暂时|因此|所以)*无法(从.{{0,12}})?(回答|确定|得知|判断|知道|提供|找到|得出){_ZH_END}",
    rf"([^。，,.；;]{{1,15}}在)?{_ZH_SOURCE}(也|都|均|并)*(没有|没|未)(明确|直接|具体|被|有)*({_ZH_SAY}|提供|包含|涉及|介绍|答案|相关|任何|足够)",
    rf"[^。，,.；;]{{0,15}}(没有|没|未)(明确|直接|具体|被)*(在{_ZH_SOURCE})?{_ZH_SAY}{_END}",
    rf"(没有|无|未找到|找不到)(相关|足够|任何|具体)*的?(信息|答案|资料|说明){_END}",
    rf"(未知|不详|不明|尚不清楚){_END}",
)
_REFUSAL = re.compile(rf"({_BEFORE})*({'|'.join((*_ENGLISH, *_CHINESE))})")
_PUNCTUATION = re.compile(r"^\W+")
_OPENING_LENGTH = 200  # characters: a refusal comes first


def is_abstention(text: str) -> bool:
    """Whether the answer declines to answer, at its beginning and whatever follows; an empty answer does."""
    said = " ".join(text.casefold().replace("’", "'").split())
    return not said or _REFUSAL.match(_PUNCTUATION.sub("", said)[:_OPENING_LENGTH]) is not None
