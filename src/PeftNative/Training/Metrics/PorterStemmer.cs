namespace PeftNative.Training.Metrics;

/// <summary>
/// Porter's stemmer for English (1980) with the changes of NLTK, which rouge_score uses: irregular forms, and rules for
/// -ied, -ies, -y, -alli, -fulli and -logi. Pure functions.
/// </summary>
internal static class PorterStemmer
{
    private static readonly Dictionary<string, string> Irregular = new()
    {
        ["skies"] = "sky", ["dying"] = "die", ["lying"] = "lie", ["tying"] = "tie", ["news"] = "news",
        ["innings"] = "inning", ["inning"] = "inning", ["outings"] = "outing", ["outing"] = "outing",
        ["cannings"] = "canning", ["canning"] = "canning", ["howe"] = "howe", ["proceed"] = "proceed",
        ["exceed"] = "exceed", ["succeed"] = "succeed", ["sky"] = "sky",
    };

    private static readonly (string End, string To)[] Second =
    [
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
        ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
        ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
        ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"), ("logi", "log"),
    ];

    private static readonly (string End, string To)[] Third =
        [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

    private static readonly string[] Fourth =
    [
        "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "sion", "tion", "ou", "ism",
        "ate", "iti", "ous", "ive", "ize",
    ];

    /// <summary>The stem of a lower-case word.</summary>
    internal static string Stem(string word)
    {
        if (Irregular.TryGetValue(word, out var known)) return known;
        if (word.Length <= 2) return word;
        return StepFive(StepFour(StepThree(StepTwo(StepOneC(StepOneB(StepOneA(word)))))));
    }

    private static string StepOneA(string word)
    {
        if (word.EndsWith("ies", StringComparison.Ordinal)) return word.Length == 4 ? word[..^1] : word[..^2];
        if (word.EndsWith("sses", StringComparison.Ordinal)) return word[..^2];
        return word.EndsWith('s') && !word.EndsWith("ss", StringComparison.Ordinal) ? word[..^1] : word;
    }

    private static string StepOneB(string word)
    {
        if (word.EndsWith("ied", StringComparison.Ordinal)) return word.Length == 4 ? word[..^1] : word[..^2];
        if (word.EndsWith("eed", StringComparison.Ordinal)) return Measure(word[..^3]) > 0 ? word[..^1] : word;
        var stem = word.EndsWith("ed", StringComparison.Ordinal) && HasVowel(word[..^2]) ? word[..^2]
            : word.EndsWith("ing", StringComparison.Ordinal) && HasVowel(word[..^3]) ? word[..^3] : null;
        if (stem is null) return word;
        if (EndsWith(stem, "at") || EndsWith(stem, "bl") || EndsWith(stem, "iz")) return stem + "e";
        if (EndsDouble(stem)) return stem[^1] is 'l' or 's' or 'z' ? stem : stem[..^1];
        return Measure(stem) == 1 && EndsShort(stem) ? stem + "e" : stem;
    }

    private static string StepOneC(string word) =>
        word.EndsWith('y') && word.Length > 2 && IsConsonant(word, word.Length - 2) ? word[..^1] + "i" : word;

    private static string StepTwo(string word)
    {
        if (EndsWith(word, "alli") && Measure(word[..^4]) > 0) return StepTwo(word[..^2]);
        foreach (var (end, to) in Second)
        {
            if (!EndsWith(word, end)) continue;
            // NLTK measures what stands before -gi there.
            var stem = word[..^end.Length];
            return Measure(end == "logi" ? word[..^3] : stem) > 0 ? stem + to : word;
        }
        return word;
    }

    private static string StepThree(string word)
    {
        foreach (var (end, to) in Third)
            if (EndsWith(word, end)) return Measure(word[..^end.Length]) > 0 ? word[..^end.Length] + to : word;
        return word;
    }

    private static string StepFour(string word)
    {
        foreach (var end in Fourth)
        {
            if (!EndsWith(word, end)) continue;
            // Of -sion and -tion only -ion goes.
            var stem = end is "sion" or "tion" ? word[..^3] : word[..^end.Length];
            return Measure(stem) > 1 ? stem : word;
        }
        return word;
    }

    private static string StepFive(string word)
    {
        if (word.EndsWith('e'))
        {
            var stem = word[..^1];
            var measure = Measure(stem);
            if (measure > 1 || (measure == 1 && !EndsShort(stem))) word = stem;
        }
        return EndsWith(word, "ll") && Measure(word[..^1]) > 1 ? word[..^1] : word;
    }

    // How often consonants follow vowels.
    private static int Measure(string stem)
    {
        var count = 0;
        for (var i = 1; i < stem.Length; i++)
            if (!IsConsonant(stem, i - 1) && IsConsonant(stem, i)) count++;
        return count;
    }

    private static bool HasVowel(string stem)
    {
        for (var i = 0; i < stem.Length; i++)
            if (!IsConsonant(stem, i)) return true;
        return false;
    }

    // Consonant, vowel, consonant other than w, x, y; or two letters, a vowel and a consonant.
    private static bool EndsShort(string word) => word.Length >= 3
        ? IsConsonant(word, word.Length - 3) && !IsConsonant(word, word.Length - 2)
            && IsConsonant(word, word.Length - 1) && word[^1] is not ('w' or 'x' or 'y')
        : word.Length == 2 && !IsConsonant(word, 0) && IsConsonant(word, 1);

    private static bool EndsDouble(string word) =>
        word.Length >= 2 && word[^1] == word[^2] && IsConsonant(word, word.Length - 1);

    private static bool IsConsonant(string word, int i) => word[i] switch
    {
        'a' or 'e' or 'i' or 'o' or 'u' => false,
        'y' => i == 0 || !IsConsonant(word, i - 1),
        _ => true,
    };

    private static bool EndsWith(string word, string end) => word.EndsWith(end, StringComparison.Ordinal);
}
