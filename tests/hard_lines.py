"""Lines that are hard for some part of the way from text to translation; our own."""

_WORDS = (
    "the old baker who lives near the harbour says that every morning before the sun "
    "rises he hears the same quiet song from a boat which nobody else has ever seen "
).split()

HARD_LINES: dict[str, str] = {
    "empty": "",
    "spaces": " \t \u00a0\u3000 ",
    "one word": "Library",
    "one letter": "I",
    "two sentences": "The baker sings.  Who is listening?",
    "several lines": "Dear Ana,\n\nthe boat is late. We wait.\r\n\tSee you soon!\n",
    "titles": "Mr. Fox met Dr. Ruiz at 5 p.m. He was early. See no. 7.",
    "500 words": " ".join((_WORDS * 17)[:500]),
    "a long sentence": f"{', '.join(['the boat is late'] * 20)}; then it came.",
    "emoji": "😀",
    "emoji in text": "I love this boat 👩‍👩‍👧 👋🏽! Do you? 🚤",
    "things to copy": "See https://example.org/a?b=1, or write to ana@example.org 🚲!",
    "more of them": "Boat_7, F-16, 1234, 5678, /etc/hosts and report.pdf are late.",
    "nothing but them": "www.example.com, #late",
    "of programs": "Hello {name}! Press Ctrl+C, or use `ls -l` --all -> *.txt in C++.",
    "and": "The boat & the harbour are late. BOAT & HARBOUR! R&D & A&B.",
    "a sum": "2 + 2 = 4",
    "amounts": "24,100 boats cost 1,234,567.89 euros or $3.5, in 2,026. 1,000!",
    "an amount alone": "24,100.",
    "names": "Did Oyelaran and Éloïsette meet Ksenija on Thursday, or in Brzozka?",
    "names in capitals": "DID OYELARAN MEET ANNELI AT www.example.com?",
    "right to left": "أين المكتبة؟ הספרייה סגורה היום.",
    "directions": "\u202eThe boat\u202c is \u2067late\u2069.",
    "control characters": "The\x00 boat\x07 is\x1b late.\x1f Wait.\x7f",
    "controls alone": "\x00 \x07",
    "lone surrogates": "The \ud800 boat \udfff is late. \udc00",
    "line separators": "The boat is late.\u2028We wait.\u2029Still?\x85Yes.",
    "tokens": "</s>",
    "tokens in text": "He wrote </s> and <s>, <pad>, <unk>, ▁ and ⁇ on the wall.",
    "HTML": '<p class="note">The <b>boat</b> is late &amp; we wait.</p>',
    "Spanish": "¿Dónde está la biblioteca? ¡No lo sé!",
    "digits": "1234567890",
    "a long number": "7" * 300,
    "a time": "7:45",
    "capitals": "WHERE IS THE OLD LIBRARY?",
    "capitals at each word": "Where Is The Old Library Today?",
    "capitals and not": "THE BOAT IS LATE. We wait. WHO IS ÉLODIE?",
    "marks alone": "?! ... ***",
    "combining": "The cafe\u0301 is pin\u0303ata pink.",
    "a private character": "The \ufffe boat \uffff is \ue000 late.",
}
