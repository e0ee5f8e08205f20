using System.Text.Json.Nodes;
using PeftNative.Lab.Verification;
using PeftNative.Ops;
using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verify;

/// <summary>Recorded GGUF files: types.gguf with its numbers, and models/NAME/model.gguf.</summary>
internal static class GgufFolder
{
    /// <summary>The cases of a folder; none where it is another kind.</summary>
    public static IEnumerable<VerifyCase> Find(string folder, Func<IBackend> backend)
    {
        var (types, models) = (Path.Combine(folder, "types.gguf"), Path.Combine(folder, "models"));
        if (File.Exists(types))
            yield return GoldenFolder.Case("gguf:", types[..^".gguf".Length], () => GgufVerifier.Types(types));
        if (!Directory.Exists(models)) yield break;
        foreach (var model in Directory.GetDirectories(models).Order(StringComparer.Ordinal))
            if (File.Exists(Path.Combine(model, "model.gguf")))
                yield return GoldenFolder.Case("gguf:", model,
                    () => WithTokens(model, GgufVerifier.Model(model, backend())));
    }

    // The tokens of llama.cpp, the text they stand for, and the conversation.
    private static VerificationResult WithTokens(string folder, VerificationResult result)
    {
        var file = Path.Combine(folder, "model.gguf");
        var (tokenizer, json) = (HfTokenizer.Load(file), ChatTemplateVerifier.Read(folder, "case.json"));
        List<string?> differences = [];
        foreach (var recorded in json["tokenizer"]!.AsArray().OfType<JsonObject>())
        {
            var text = recorded["text"]!.GetValue<string>();
            var expected = string.Join(' ', recorded["ids_llamacpp"]!.AsArray());
            var found = string.Join(' ', tokenizer.Encode(text).Ids);
            differences.Add(found == expected ? null : $"the ids of '{text}': recorded {expected}, got {found}");
            int[] ids = [.. recorded["ids_transformers"]!.AsArray().Select(id => id!.GetValue<int>())];
            differences.Add(ChatTemplateVerifier.TextDifference("decoded", recorded["decoded"]!.GetValue<string>(),
                tokenizer.Decode(ids, skipSpecialTokens: false)));
        }
        if (json["chat"]?["text"]?.GetValue<string>() is { } chat)
            differences.Add(ChatTemplateVerifier.TextDifference("chat", chat, ChatTemplate.Load(file)!.Render(
                [new JsonObject { ["role"] = "user", ["content"] = "the world" }], addGenerationPrompt: true).Text));
        return result with
        {
            Checked = result.Checked + differences.Count,
            Failed = result.Failed + differences.Count(d => d is not null),
            FirstFailure = result.FirstFailure ?? differences.Find(d => d is not null),
        };
    }
}
