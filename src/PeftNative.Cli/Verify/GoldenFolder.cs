using PeftNative.Lab.Verification;
using PeftNative.Ops;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Verify;

/// <summary>A case that waits to be run.</summary>
/// <param name="Name">Its name, which --filter is matched against.</param>
/// <param name="Run">Runs it.</param>
internal sealed record VerifyCase(string Name, Func<VerifyLine> Run);

/// <summary>
/// Finds the cases of a folder of recorded numbers: models, tokenizers and chat templates, schedules and metrics.
/// </summary>
internal static class GoldenFolder
{
    private static readonly (string, Func<string, IEnumerable<VerifyCase>>)[] Kinds =
    [
        ("tokenizers", Tokenizers), ("training", Training),
        ("chat-training", ChatTrainingFolder.Find), ("metrics", MetricsFolder.Find),
        ("preference", RowsFolder.Find),
    ];

    /// <summary>The cases of the folder, models first.</summary>
    /// <exception cref="DataException">The folder is none of the kind.</exception>
    public static IReadOnlyList<VerifyCase> Find(string folder, Func<IBackend> backend)
    {
        if (!Directory.Exists(folder)) throw new DataException("There is no such folder.", folder, "Check the path.");
        var cases = new List<VerifyCase>();
        cases.AddRange(Models(folder, backend));
        cases.AddRange(GgufFolder.Find(Path.Combine(folder, "gguf"), backend).Concat(GgufFolder.Find(folder, backend)));
        foreach (var (name, find) in Kinds)
            cases.AddRange(find(Path.Combine(folder, name)).Concat(find(folder)));
        return cases.Count > 0 ? cases : throw new DataException("The folder holds no recorded cases.", folder,
            "Give a folder with bases/ and cases/, tokenizers/, training/, chat-training/, metrics/ or gguf/, or one "
                + "of the last five itself.");
    }

    private static IEnumerable<VerifyCase> Tokenizers(string folder)
    {
        if (!Directory.Exists(folder)) yield break;
        foreach (var tokenizer in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
            if (File.Exists(Path.Combine(tokenizer, "cases.json"))
                && File.Exists(Path.Combine(tokenizer, "tokenizer_config.json")))
                yield return Case("tokenizer:", tokenizer, () => TokenizerVerifier.Verify(tokenizer));
        var chat = Path.Combine(folder, "chat");
        if (!Directory.Exists(chat)) yield break;
        foreach (var template in Directory.GetDirectories(chat).Order(StringComparer.Ordinal))
            yield return Case("chat:", template,
                () => ChatTemplateVerifier.Verify(template, name => Load(Path.Combine(folder, name))));
    }

    private static HfTokenizer? Load(string folder) => Directory.Exists(folder) ? HfTokenizer.Load(folder) : null;

    /// <summary>A case that needs no model, named after its kind and folder.</summary>
    internal static VerifyCase Case(string kind, string folder, Func<VerificationResult> verify)
    {
        var name = kind + Path.GetFileName(folder);
        return new VerifyCase(name, () =>
        {
            try
            {
                return VerifyLine.Of(verify() with { Name = name });
            }
            catch (PeftNativeException e)
            {
                return VerifyLine.Broken(name, e);
            }
        });
    }

    private static IEnumerable<VerifyCase> Models(string folder, Func<IBackend> backend)
    {
        var cases = Path.Combine(folder, "cases");
        if (!Directory.Exists(cases)) return [];
        return Directory.GetDirectories(cases).Order(StringComparer.Ordinal)
            .Select(c => new VerifyCase(Path.GetFileName(c), () => Replay(folder, c, backend)));
    }

    private static VerifyLine Replay(string root, string folder, Func<IBackend> backend)
    {
        var name = Path.GetFileName(folder);
        try
        {
            using var recorded = new RecordedCase(root, folder);
            return CaseSupport.WhyNot(recorded) is { } reason
                ? VerifyLine.NotRun(name, reason) : VerifyLine.Of(new CaseRunner(backend(), recorded).Run());
        }
        catch (PeftNativeException e) when (e is not UsageException)
        {
            return VerifyLine.Broken(name, e);
        }
    }

    private static IEnumerable<VerifyCase> Training(string folder)
    {
        var (schedules, metrics) = (Path.Combine(folder, "schedules.json"), Path.Combine(folder, "metrics.json"));
        if (File.Exists(schedules))
            yield return new VerifyCase("training:schedules", () => VerifyLine.Of(ScheduleVerifier.Verify(schedules)));
        if (File.Exists(metrics))
            yield return new VerifyCase("training:metrics", () => VerifyLine.Of(MetricsVerifier.Verify(metrics)));
    }
}
