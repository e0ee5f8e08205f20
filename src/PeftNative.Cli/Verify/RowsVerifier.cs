using System.Text.Json.Nodes;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Preparation;
using PeftNative.Data.Reading;
using PeftNative.Lab.Verification;
using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verify;

/// <summary>
/// Replays rows through the preparation that does what TRL does: the rows after preparation token for token and label
/// for label, what the batch holds of them, and whether there is an error.
/// </summary>
internal static class RowsVerifier
{
    private static readonly string[] Options =
    [
        "max_length", "truncation_mode", "completion_only_loss", "assistant_only_loss", "dataset_text_field",
        "eos_token", "pad_token", "packing", "packing_strategy", "padding_free", "pad_to_multiple_of",
        "per_device_train_batch_size",
    ];

    /// <summary>Why a case cannot be run; null when it can.</summary>
    public static string? WhyNot(JsonObject recorded)
    {
        if ((string?)recorded["trainer"] is var trainer && trainer != "sft")
            return $"the preparation of {trainer} rows is not supported yet";
        return recorded["options"]!.AsObject().Select(o => o.Key).FirstOrDefault(key => !Options.Contains(key))
            is { } unknown ? $"the option {unknown} is not supported yet" : null;
    }

    /// <summary>Replays a case.</summary>
    public static VerificationResult Verify(string folder, JsonObject recorded)
    {
        var tokenizerFolder = Path.Combine(folder, (string)recorded["tokenizer"]!);
        var tokenizer = HfTokenizer.Load(tokenizerFolder);
        RawRecord[] rows =
        [
            .. recorded["rows"]!.AsArray().Select((row, i) => new RawRecord(
                (JsonObject)row!.DeepClone(), new RecordOrigin((string)recorded["name"]!, i + 1))),
        ];
        var error = (string?)recorded["error"];
        try
        {
            var options = OptionsOf(recorded["options"]!.AsObject());
            var made = new TrlPreparation(tokenizer, Template(folder, tokenizerFolder, recorded), options).Rows(rows);
            if (error is not null) return Count([$"expected {error}, but it was prepared"]);
            return Count([.. Differences(recorded, made, Padding(recorded["options"]!.AsObject(), tokenizer))]);
        }
        catch (PeftNativeException e) when (error is not null && e is not StorageException)
        {
            return Count([null]);
        }
    }

    private static TrlOptions OptionsOf(JsonObject options)
    {
        var packs = (bool?)options["packing"] == true;
        var strategy = (string?)options["packing_strategy"] ?? "bfd";
        return new TrlOptions
        {
            MaxLength = options.ContainsKey("max_length") ? (int?)options["max_length"] : 1024,
            KeepEnd = (string?)options["truncation_mode"] == "keep_end",
            CompletionOnly = (bool?)options["completion_only_loss"],
            AssistantOnly = (bool?)options["assistant_only_loss"] == true,
            TextField = (string?)options["dataset_text_field"] ?? "text", EndToken = (string?)options["eos_token"],
            Packing = packs ? RowPacking.Parse(strategy) : null,
            PaddingFree = (bool?)options["padding_free"] == true,
        };
    }

    // A tokenizer without a padding token pads with the end token.
    private static int? Padding(JsonObject options, HfTokenizer tokenizer) =>
        (string?)options["pad_token"] is { } token ? tokenizer.IdOf(token)
            ?? throw new UsageException($"The tokenizer has no token '{token}'.", "pad_token", "Name one that it has.")
        : tokenizer.PaddingId ?? tokenizer.EndOfSequenceId;

    private static ChatTemplate? Template(string folder, string tokenizerFolder, JsonObject recorded) =>
        (string?)recorded["chat_template"] switch
        {
            null => null,
            "the tokenizer's own" => ChatTemplate.Load(tokenizerFolder),
            var path => ChatTemplate.Parse(File.ReadAllText(Path.Combine(folder, path)),
                ChatTemplateFiles.SpecialTokens(tokenizerFolder)),
        };

    private static VerificationResult Count(IReadOnlyList<string?> differences) => new("", differences.Count,
        differences.Count(d => d is not null), differences.FirstOrDefault(d => d is not null));

    private static IEnumerable<string?> Differences(
        JsonObject recorded, IReadOnlyList<LabelledTokens[]> made, int? pad)
    {
        var rows = recorded["prepared"]!.AsArray();
        yield return rows.Count == made.Count ? null : $"expected {rows.Count} rows, got {made.Count}";
        foreach (var (row, i) in rows.Take(made.Count).Select((row, i) => (row!, i)))
        {
            yield return Difference($"ids of row {i + 1}", row["input_ids"], made[i].SelectMany(s => s.Ids));
            yield return Difference($"labels of row {i + 1}", row["labels"], made[i].SelectMany(s => s.Labels));
            if (row["seq_lengths"] is { } lengths)
                yield return Difference($"lengths in row {i + 1}", lengths, made[i].Select(s => s.Length));
        }
        yield return (int?)recorded["pad_token_id"] == pad ? null
            : $"expected the padding token {recorded["pad_token_id"]}, got {pad}";
        if (recorded["batch"] is not JsonObject batch || made.Count == 0) yield break;
        foreach (var difference in batch["position_ids"] is null
            ? Padded(batch, made) : Joined(batch, Batch.Of(Examples(made)))) yield return difference;
    }

    // Batches of ours have no padding: theirs are compared where their attention mask is 1.
    private static IEnumerable<string?> Padded(JsonObject batch, IReadOnlyList<LabelledTokens[]> made)
    {
        foreach (var (sequences, i) in made.Select((sequences, i) => (sequences, i)))
        {
            var mask = Numbers(batch["attention_mask"]![i]);
            yield return Difference($"ids of row {i + 1} of the batch", Attended("input_ids"),
                sequences.SelectMany(s => s.Ids));
            yield return Difference($"labels of row {i + 1} of the batch", Attended("labels"),
                sequences.SelectMany(s => s.Labels));

            JsonArray Attended(string key) =>
                [.. Numbers(batch[key]![i]).Where((_, at) => mask[at] != 0).Select(n => (JsonNode)n)];
        }
    }

    private static IEnumerable<string?> Joined(JsonObject batch, Batch made)
    {
        yield return Difference("ids of the batch", batch["input_ids"]![0], made.TokenIds);
        yield return Difference("labels of the batch", batch["labels"]![0], made.Labels!);
        yield return Difference("positions of the batch", batch["position_ids"]![0], made.Positions);
        if (batch["cu_seq_lens_q"] is { } offsets) yield return Difference("borders", offsets, made.Offsets);
    }

    private static List<Example> Examples(IReadOnlyList<LabelledTokens[]> made) =>
        [.. made.SelectMany(row => row).Select(s => PackedExamples.Example(s, new RecordOrigin("rows", s.First + 1)))];

    private static string? Difference(string what, JsonNode? recorded, IEnumerable<int> made)
    {
        var (expected, got) = (Numbers(recorded), made.ToArray());
        var at = expected.AsSpan().CommonPrefixLength(got);
        return at == expected.Length && at == got.Length ? null
            : $"{what}: {expected.Length} recorded, {got.Length} made; they part at {at}: "
                + $"{At(expected)} recorded, {At(got)} made";

        string At(int[] list) => at < list.Length ? $"{list[at]}" : "the end";
    }

    private static int[] Numbers(JsonNode? list) => [.. list!.AsArray().Select(n => n!.GetValue<int>())];
}
