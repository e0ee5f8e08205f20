using System.Text.Json.Nodes;
using PeftNative.Training.Metrics.Texts;

namespace PeftNative.Lab.Verification;

/// <summary>Recorded metrics of texts; see <see cref="RecordedMetrics"/>.</summary>
internal static class RecordedTexts
{
    internal static void ErrorRates(JsonObject recorded, RecordedValues values)
    {
        if (recorded["references"] is JsonArray references)
        {
            Corpus(recorded, references, values);
            return;
        }
        var (reference, hypothesis) = ((string)recorded["reference"]!, (string)recorded["hypothesis"]!);
        var (words, characters) = (recorded["words"]!.AsObject(), recorded["characters"]!.AsObject());
        var (byWord, byCharacter) =
            (ErrorRate.OfWords(reference, hypothesis), ErrorRate.OfCharacters(reference, hypothesis));
        values.Expect("wer", words, byWord.Rate);
        values.Expect("mer", words, byWord.MatchErrorRate);
        values.Expect("wip", words, byWord.InformationPreserved);
        values.Expect("wil", words, 1 - byWord.InformationPreserved);
        values.Expect("cer", characters, byCharacter.Rate);
        foreach (var (part, counts) in new[] { (words, byWord), (characters, byCharacter) })
        {
            values.Expect("hits", part, counts.Hits);
            values.Expect("substitutions", part, counts.Substitutions);
            values.Expect("deletions", part, counts.Deletions);
            values.Expect("insertions", part, counts.Insertions);
        }
    }

    internal static void Bleu(JsonObject recorded, RecordedValues values)
    {
        string[] hypotheses = Texts(recorded["hypotheses"]!);
        IReadOnlyList<string>[] references = [.. recorded["references"]!.AsArray().Select(set => Texts(set!))];
        var arguments = recorded["arguments"]!.AsObject();
        if ((string)recorded["metric"]! == "chrF")
        {
            values.Expect("score", recorded, new Chrf
            {
                WordOrder = (int?)arguments["word_order"] ?? 0, Beta = (double?)arguments["beta"] ?? 2,
                LowerCase = (bool?)arguments["lowercase"] ?? false,
                Whitespace = (bool?)arguments["whitespace"] ?? false,
            }.Measure(hypotheses, references));
            return;
        }
        var found = new Bleu
        {
            Tokenizer = (string?)arguments["tokenize"] ?? "13a", LowerCase = (bool?)arguments["lowercase"] ?? false,
            Order = (int?)arguments["max_ngram_order"] ?? 4,
            EffectiveOrder = (bool?)arguments["effective_order"] ?? false,
            Smoothing = (string?)arguments["smooth_method"] switch
            {
                "floor" => BleuSmoothing.Floor, "add-k" => BleuSmoothing.AddOne, "none" => BleuSmoothing.None,
                _ => BleuSmoothing.Exponential,
            },
        }.Measure(hypotheses, references);
        values.Expect("score", recorded, found.Score);
        if (recorded["brevity_penalty"] is null) return; // of sentences there is the score alone
        values.Expect("brevity_penalty", recorded, found.BrevityPenalty);
        values.Expect("hypothesis_length", recorded, found.HypothesisLength);
        values.Expect("reference_length", recorded, found.ReferenceLength);
        if (found.Counts.All(c => c == 0)) return; // the reference stops there
        foreach (var (precision, n) in (recorded["precisions"] as JsonArray ?? []).Select((p, n) => (p, n)))
            values.Expect($"precision of {n + 1}", (double)precision!, found.Precisions[n]);
    }

    internal static void Rouge(JsonObject recorded, RecordedValues values)
    {
        var (reference, prediction) = ((string)recorded["reference"]!, (string)recorded["prediction"]!);
        var stems = (bool)recorded["stemmer"]!;
        foreach (var (name, score) in new[]
        {
            ("rouge1", Training.Metrics.Rouge.Ngrams(reference, prediction, 1, stems)),
            ("rouge2", Training.Metrics.Rouge.Ngrams(reference, prediction, 2, stems)),
            ("rougeL", Training.Metrics.Rouge.LongestCommonSubsequence(reference, prediction, stems)),
            ("rougeLsum", Training.Metrics.Rouge.OfLines(reference, prediction, stems)),
        })
        {
            values.Expect($"{name} precision", (double)recorded[name]![0]!, score.Precision);
            values.Expect($"{name} recall", (double)recorded[name]![1]!, score.Recall);
            values.Expect($"{name} f", (double)recorded[name]![2]!, score.FMeasure);
        }
    }

    internal static void Squad(JsonObject recorded, RecordedValues values)
    {
        var (answer, references) = ((string)recorded["prediction"]!, Texts(recorded["references"]!));
        values.Expect("exact_match", recorded, AnswerMatch.IsExact(answer, references) ? 1 : 0);
        values.Expect("f1", recorded, AnswerMatch.F1(answer, references));
    }

    private static void Corpus(JsonObject recorded, JsonArray references, RecordedValues values)
    {
        var hypotheses = recorded["hypotheses"]!.AsArray();
        var (words, characters) = (default(ErrorRate), default(ErrorRate));
        for (var i = 0; i < references.Count; i++)
        {
            words += ErrorRate.OfWords((string)references[i]!, (string)hypotheses[i]!);
            characters += ErrorRate.OfCharacters((string)references[i]!, (string)hypotheses[i]!);
        }
        values.Expect("wer", recorded, words.Rate);
        values.Expect("cer", recorded, characters.Rate);
        values.Expect("mer", recorded, words.MatchErrorRate);
        values.Expect("wil", recorded, 1 - words.InformationPreserved);
    }

    private static string[] Texts(JsonNode list) => [.. list.AsArray().Select(t => (string)t!)];
}
