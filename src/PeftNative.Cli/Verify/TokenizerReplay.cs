using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Encodings;
using PeftNative.Tokenizers.Files;
using PeftNative.Tokenizers.Files.Parts;

namespace PeftNative.Cli.Verify;

/// <summary>Replays the recorded files of one folder and counts what differs.</summary>
internal sealed class TokenizerReplay(string folder)
{
    private readonly HfTokenizer tokenizer = HfTokenizer.Load(folder);

    /// <summary>How many cases were replayed.</summary>
    public int Checked { get; private set; }

    /// <summary>How many differed.</summary>
    public int Failed { get; private set; }

    /// <summary>What differed first.</summary>
    public string? FirstFailure { get; private set; }

    /// <summary>Replays everything the folder has.</summary>
    public void Run()
    {
        Each("cases.json", call => Cases(call, tokenizer));
        Each("batches.json", Batches);
        Each("stream.json", Streams);
        ReplayOlderFiles();
        ReplaySentencePiece();
    }

    /// <summary>
    /// The older files of a folder must give the recorded ids as well, where the folder names the class that says how
    /// to read them.
    /// </summary>
    private void ReplayOlderFiles()
    {
        if (!OlderFiles.Exist(folder) || new TokenizerConfig(folder).ClassName is null or "PreTrainedTokenizerFast")
            return;
        var older = HfTokenizer.LoadOlderFiles(folder);
        Each("cases.json", call => Compare("ids", Ints(call.Need("ids")), Encode(call, older).Ids), "older files, ");
    }

    /// <summary>
    /// A SentencePiece model read directly must give the recorded ids, and where none are recorded those of
    /// tokenizer.json.
    /// </summary>
    private void ReplaySentencePiece()
    {
        var differences = Path.Combine(folder, "sentencepiece_differs.json");
        var model = OlderFiles.SentencePieceModel(folder);
        if (!File.Exists(differences) || model is null) return;
        var native = HfTokenizer.LoadSentencePiece(model);
        // A name with a slash repeats the case before it without special tokens.
        var recorded = JsonNodeAt.ReadList(differences, Limits.FileBytes)
            .ToDictionary(n => n.Need("name").AsText(), n => Ints(n.Need("sentencepiece_ids")));
        var bare = new EncodeOptions { AddSpecialTokens = false };
        Each("cases.json", call =>
        {
            if (call.Get("text_pair") is not null || call.Get("options") is not null) return null;
            var text = call.Need("text").AsText();
            var expected = recorded.GetValueOrDefault(call.Name.Split('/')[0])
                ?? tokenizer.EncodeText(text, null, bare).Ids;
            return Compare("ids", expected, native.EncodeText(text, null, bare).Ids);
        }, "sentencepiece, ");
    }

    private void Each(string file, Func<RecordedCall, string?> replay, string how = "")
    {
        var path = Path.Combine(folder, file);
        if (!File.Exists(path)) return;
        foreach (var node in JsonNodeAt.ReadList(path, Limits.FileBytes))
        {
            var call = new RecordedCall(node);
            Count($"{how}{file} {call.Name}", Guarded(() => replay(call)));
        }
    }

    private static string? Guarded(Func<string?> replay)
    {
        try
        {
            return replay();
        }
        catch (PeftNativeException e) when (e is not StorageException)
        {
            return e.Message;
        }
    }

    private void Count(string name, string? difference)
    {
        Checked++;
        if (difference is null) return;
        Failed++;
        FirstFailure ??= $"{name}: {difference}";
    }

    private static string? Cases(RecordedCall call, HfTokenizer tokenizer)
    {
        var (text, pair) = Texts(call);
        var encoding = Encode(call, tokenizer);
        var (starts, ends) = encoding.CodePointOffsets(text, pair);
        return Compare("ids", Ints(call.Need("ids")), encoding.Ids)
            ?? Compare("attention_mask", call.Get("attention_mask") is { } mask ? Ints(mask)
                : [.. encoding.Ids.Select(_ => 1)],
                [.. encoding.AttentionMask.Select(m => (int)m)])
            ?? CompareTypes(call.Get("token_type_ids"), encoding.TokenTypes)
            ?? Compare("offsets_utf16", Pairs(call.Need("offsets_utf16")), Interleave(encoding.Starts, encoding.Ends))
            ?? Compare("offsets_codepoints", Pairs(call.Need("offsets_codepoints")), Interleave(starts, ends))
            ?? Compare("decoded", call.Need("decoded").AsText(),
                tokenizer.Decode(encoding.Ids, skipSpecialTokens: false))
            ?? Compare("decoded_skip_special", call.Need("decoded_skip_special").AsText(),
                tokenizer.Decode(encoding.Ids, true));
    }

    // transformers takes an empty second text of a single call for none.
    private static (string Text, string? Pair) Texts(RecordedCall call) =>
        (call.Need("text").AsText(), call.Get("text_pair")?.AsText() is { Length: > 0 } pair ? pair : null);

    private static TokenEncoding Encode(RecordedCall call, HfTokenizer tokenizer) =>
        tokenizer.EncodeText(Texts(call).Text, Texts(call).Pair, call.Options(tokenizer));

    private string? Batches(RecordedCall call)
    {
        var texts = Texts(call.Need("texts"));
        var pairs = call.Get("text_pairs") is { } second ? Texts(second) : null;
        var batch = tokenizer.EncodeBatch(texts, pairs, call.Options(tokenizer));
        var row = 0;
        foreach (var ids in call.Need("ids").Items())
        {
            var types = call.Get("token_type_ids")?.Items().ElementAt(row);
            var difference = Compare($"ids of row {row}", Ints(ids), batch.Row(row).ToArray())
                ?? Compare($"attention_mask of row {row}", Ints(call.Need("attention_mask").Items().ElementAt(row)),
                    Widen(batch.Mask(row)))
                ?? CompareTypes(types, batch.TokenTypes is null ? null : batch.Types(row).ToArray());
            if (difference is not null) return difference;
            row++;
        }
        return row == batch.Rows ? null : $"{batch.Rows} rows instead of {row}";
    }

    private string? Streams(RecordedCall call)
    {
        var stream = tokenizer.CreateStream(call.Need("skip_special_tokens").AsBool());
        var pieces = Ints(call.Need("ids")).Select(stream.Push).ToList();
        pieces.Add(stream.Close());
        return Compare("pieces", string.Join('|', Texts(call.Need("pieces"))), string.Join('|', pieces));
    }

    private static string? CompareTypes(JsonNodeAt? expected, byte[]? actual)
    {
        if (expected is null != actual is null)
            return actual is null ? "token_type_ids are missing" : "token_type_ids where there are none";
        return expected is { } types ? Compare("token_type_ids", Ints(types), Widen(actual)) : null;
    }

    private static string? Compare(string what, int[] expected, int[] actual)
    {
        if (expected.AsSpan().SequenceEqual(actual)) return null;
        var at = expected.AsSpan().CommonPrefixLength(actual);
        return $"{what} differ at {at}: expected {Around(expected, at)}, got {Around(actual, at)}";
    }

    private static string? Compare(string what, string expected, string actual) =>
        expected == actual ? null : $"{what}: expected \"{expected}\", got \"{actual}\"";

    private static string Around(int[] values, int at) =>
        $"[{string.Join(", ", values.Skip(at).Take(8))}] of {values.Length}";

    private static int[] Ints(JsonNodeAt node) => [.. node.Items().Select(i => i.AsInt(int.MinValue, int.MaxValue))];

    private static int[] Pairs(JsonNodeAt node) => [.. node.Items().SelectMany(Ints)];

    private static string[] Texts(JsonNodeAt node) => [.. node.Items().Select(i => i.AsText())];

    private static int[] Widen(ReadOnlySpan<byte> values) => [.. values.ToArray().Select(v => (int)v)];

    private static int[] Interleave(int[] starts, int[] ends) =>
        [.. starts.Zip(ends).SelectMany(p => new[] { p.First, p.Second })];
}
