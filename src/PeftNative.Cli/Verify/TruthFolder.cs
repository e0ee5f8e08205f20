using System.Text.Json.Nodes;
using PeftNative.Lab.Verification;
using PeftNative.Ops;
using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verify;

/// <summary>
/// What was recorded of one real model, which --model names: tokens, weights, logits and training.
/// </summary>
internal static class TruthFolder
{
    private const string Name = "smollm2";

    /// <summary>Whether a folder is such a recording.</summary>
    public static bool Knows(string folder) => ((string[])["tokenizer.json", "inference.json", "training.json"])
        .All(file => File.Exists(Path.Combine(folder, file)));

    /// <summary>Its cases.</summary>
    public static IEnumerable<VerifyCase> Find(string folder, string model, Func<IBackend> backend)
    {
        yield return Case("tokenizer", name => Tokens(name, folder, model));
        if (File.Exists(Path.Combine(folder, "tensors.json")))
            yield return Case("tensors", name => ModelTruth.Weights(name, folder, model, backend()));
        yield return Case("inference", name => ModelTruth.Inference(name, folder, model, backend()));
        foreach (var run in TrainingTruth.Runs(folder))
            yield return Case($"training-{run}",
                name => TrainingTruth.Verify(name, folder, run, model, backend()));
    }

    private static VerifyCase Case(string what, Func<string, VerificationResult> verify) =>
        GoldenFolder.Case($"{Name}:", what, () => verify($"{Name}:{what}"));

    private static VerificationResult Tokens(string name, string folder, string model)
    {
        var (tokenizer, template) = (HfTokenizer.Load(model), ChatTemplate.Load(model));
        var root = ChatTemplateVerifier.Read(folder, "tokenizer.json");
        List<string?> differences = [];
        foreach (var recorded in root["prompts"]!.AsArray().OfType<JsonObject>())
        {
            var text = recorded["text"]!.GetValue<string>();
            differences.Add(Ids(recorded, text, tokenizer));
            int[] ids = [.. recorded["ids"]!.AsArray().Select(id => id!.GetValue<int>())];
            differences.Add(ChatTemplateVerifier.TextDifference($"decoded '{text}'",
                recorded["decoded"]!.GetValue<string>(), tokenizer.Decode(ids, skipSpecialTokens: false)));
        }
        foreach (var recorded in root["chats"]!.AsArray().OfType<JsonObject>())
        {
            var text = template?.Render((JsonArray)recorded["messages"]!.DeepClone(),
                recorded["add_generation_prompt"]!.GetValue<bool>()).Text ?? "(no template)";
            differences.Add(ChatTemplateVerifier.TextDifference("chat", recorded["text"]!.GetValue<string>(), text));
            differences.Add(Ids(recorded, text, tokenizer));
        }
        return new VerificationResult(name, differences.Count, differences.Count(d => d is not null),
            differences.Find(d => d is not null));
    }

    private static string? Ids(JsonObject recorded, string text, HfTokenizer tokenizer)
    {
        var expected = string.Join(' ', recorded["ids_llamacpp"]!.AsArray());
        var found = string.Join(' ', tokenizer.Encode(text).Ids);
        return found == expected ? null : $"the ids of '{text}': recorded {expected}, got {found}";
    }
}
