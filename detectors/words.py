"""Word lists of the lexical scores: English first, a few cues in German, Spanish and French."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words of grammar: they hold no claim.
GRAMMAR = _listed(
    """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can can't cannot could did didn't do does doesn't don't during each either even for from further had has have he her
    here here's his how i i'm if in into is isn't it it's its itself just let me more most my no nor not now of off on
    once one only or other our out over own per same she should so some such than that the their them then there these
    they this those through to too under until up us very was we were what when where which while who whom whose why
    will with within without would you your may might shall must whether
    """
)

# Words with which an answer speaks of itself, of the question or of its sources.
SELF_REFERENCE = _listed(
    """
    accord according accordingly additional additionally address addresses addressed alternatively answer answers
    answered appear appears article articles ask asked asking base based brief briefly clear clearly common commonly
    conclude conclusion concise contain contains contained context describe describes described detail details detailed
    determine directly discuss discusses discussed document documents enough example examples excerpt excerpts explain
    explains explained explicitly finally first firstly follow follows followed following furthermore general generally
    give gives given guidance guide help hence highlight highlights hope however important include includes included
    including indicate indicates information instance instead instructions involve involves key know last lastly likely
    main mention mentions mentioned moreover nevertheless note noting offer offers often outlined outlines overall
    passage passages paragraph paragraphs please point points possible possibly prompt provide provides provided
    providing question questions recommend recommends reference references refer refers related relevant remember
    require requires respond response second secondly seem seems several snippet snippets sorry source sources specific
    specifically specified specify state states stated step steps sufficient suggest suggests suggested suggesting
    summarize summarized summarizes summary sure task text texts therefore third thirdly thus typically unable unclear
    unfortunately usually various whereas worth
    """
)

NUMERALS = {
    "zero": "0",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
}

SUFFIXES = _listed(
    """
    ingly edly ations ation ments ment ness ings ing ers ies ied ed es er ly s e y
    """
)

# A full stop after one of these does not end a sentence.
ABBREVIATIONS = _listed(
    """
    al approx art bzw ca cf co corp d.h dept dr ed eds e.g eg est etc fig figs fr gen gov hon i.e ie inc jr lt ltd max
    min mme mr mrs ms mt no nos nr op p.ex pp prof rep rev sec sen sr sra st u.a usw vgl viz vol vols vs z.b
    """
)

# Refusals and admissions of not knowing. The texts are lower-cased and typographic apostrophes straightened first.
REFUSALS = (
    r"i(?:'m| am) (?:\w+ )?(?:sorry|unable|not (?:\w+ )?(?:able|sure|aware|certain|familiar))",
    r"i (?:\w+ )?(?:(?:do not|don't) (?:\w+ )?(?:know|have|think i can)|have no (?:information|knowledge|idea))",
    (
        r"i (?:\w+ )?(?:cannot|can't|can not|could not|couldn't|won't|will not|must decline to) (?:\w+ )?"
        r"(?:answer|help|assist|provide|find|determine|comply|fulfil|do that|say|tell|give|offer|engage|verify)"
    ),
    r"unable to (?:\w+ )?(?:answer|determine|provide|find|respond)",
    r"(?:cannot|can't|can not|could not) (?:be )?(?:\w+ )?(?:answered?|determined?)",
    (
        r"(?:passages?|context|documents?|texts?|sources?|information|articles?) (?:\w+ ){0,2}"
        r"(?:do(?:es)?n't|do(?:es)? not) (?:\w+ )?"
        r"(?:contain|provide|mention|include|specify|state|address|answer|give|say)"
    ),
    r"not (?:enough|sufficient) (?:information|context)",
    r"insufficient (?:information|context)",
    r"there is no (?:\w+ )?(?:information|mention|answer)",
    r"no (?:relevant )?information (?:is|was|about|on|in)",
    r"as an ai\b",
    r"i apologi[sz]e",
    r"ich (?:wei(?:ß|ss) (?:es |das )?(?:leider )?nicht|kann (?:\w+ ){0,4}nicht|habe keine informationen)",
    r"das wei(?:ß|ss) ich (?:leider )?nicht",
    r"leider kann ich",
    r"tut mir leid",
    r"no (?:lo )?s(?:é|e\b)",
    r"no (?:puedo|tengo) (?:\w+ )?(?:responder|ayudar|informaci[oó]n|suficiente|proporcionar)",
    r"lo siento",
    r"je ne (?:sais pas|peux pas|suis pas (?:sûr|en mesure))",
    r"je n'ai pas",
    r"(?:je suis )?désolée?\b",
)

# After one of these a refusal turns into an answer.
TURNS = (
    r"however",
    r"nevertheless",
    r"nonetheless",
    r"that said",
    r"but\b",
    r"instead",
    r"here (?:is|are)\b",
    r"aber\b",
    r"jedoch",
    r"sin embargo",
    r"pero\b",
    r"cependant",
    r"mais\b",
)

HEDGES = (
    r"may",
    r"might",
    r"could",
    r"perhaps",
    r"maybe",
    r"possibl[ey]",
    r"probabl[ey]",
    r"likely",
    r"unlikely",
    r"presumably",
    r"apparently",
    r"seems?",
    r"seemingly",
    r"appears? to",
    r"suggests?",
    r"potentially",
    r"roughly",
    r"i (?:think|believe|guess|assume|suspect)",
    r"it is (?:possible|unclear|not clear)",
    r"not (?:entirely |quite |completely )?(?:sure|certain|clear)",
    r"as far as i know",
    r"to the best of my knowledge",
    r"unclear",
    r"uncertain",
    r"vielleicht",
    r"möglicherweise",
    r"wahrscheinlich",
    r"vermutlich",
    r"könnten?",
    r"quizás?",
    r"tal vez",
    r"probablemente",
    r"posiblemente",
    r"podr[ií]an?",
    r"peut-être",
    r"probablement",
    r"sans doute",
    r"pourrai(?:t|ent)",
)
