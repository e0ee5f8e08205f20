using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Families;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// The vocabulary that an adapter was trained with. Where tokens were added before, its files hold an embedding or a
/// head with more rows than the base, or its folder a tokenizer with more tokens; the base then has to grow.
/// </summary>
public static class AdapterVocabulary
{
    private static readonly string[] Wholes = ["base_layer", "token_adapter", "modules_to_save", "original_module"];

    /// <summary>
    /// The folder whose tokenizer and chat template belong to a base with adapters: that of the first adapter whose
    /// tokenizer knows more tokens than the base's, else the base's.
    /// </summary>
    /// <param name="baseFolder">The base model.</param>
    /// <param name="adapterFolders">The adapters.</param>
    /// <exception cref="ModelFormatException">A tokenizer file is broken.</exception>
    public static string TokenizerFolder(string baseFolder, IEnumerable<string> adapterFolders)
    {
        int? known = null;
        return adapterFolders.FirstOrDefault(folder => TokenizerSize.Of(folder) is { } size
            && size > (known ??= TokenizerSize.Of(baseFolder) ?? 0)) ?? baseFolder;
    }

    /// <summary>The rows that a base must have for adapters; null where its own are right.</summary>
    /// <param name="adapterFolders">The adapters.</param>
    /// <param name="config">The base.</param>
    /// <param name="writesText">Whether the model has the head of a language model.</param>
    internal static int? SizeFor(IEnumerable<string> adapterFolders, TransformerConfig config, bool writesText)
    {
        var most = adapterFolders.Select(folder => SizeFor(folder, config, writesText)).Max();
        return most > config.VocabularySize ? most : null;
    }

    /// <summary>Whether an adapter's file holds a row for more tokens than the model has.</summary>
    internal static bool IsLarger(TensorFile file, TransformerModel model)
    {
        var (names, config) = (model.Family.Names, model.Config);
        List<string> modules = [names.Under(names.TokenEmbedding)];
        if (model.Task.WritesText()) modules.Add(model.Head.Output!.Path);
        return modules.Any(m => Rows(file, m, config.HiddenSize).Any(rows => rows > config.VocabularySize));
    }

    // AutoPeft goes by the tokenizer alone, fails where the tensors have other sizes, and gives rows that they lack the
    // mean of the others. Without a tokenizer the tensors must hold every new row.
    private static int? SizeFor(string folder, TransformerConfig config, bool writesText)
    {
        if (AdapterFiles.Find(folder, AdapterFiles.Weights) is not { } path) return null;
        using var file = TensorFiles.Open(path);
        var names = FamilyTable.Find(config.ModelType, "config.json").Names;
        var width = config.HiddenSize;
        var embedding = Rows(file, names.Under(names.TokenEmbedding), width).ToList();
        List<long> head = writesText && names.LanguageModelHead is { } output ? [.. Rows(file, output, width)] : [];
        var sizes = embedding.Concat(head).Distinct().ToList();
        if (sizes.Count == 0) return TokenizerSize.Of(folder);
        if (sizes.Count > 1 || sizes[0] > int.MaxValue) return null; // reading the adapter says what does not fit
        var isWhole = config.IsTied || !writesText || (embedding.Count > 0 && head.Count > 0);
        return isWhole || TokenizerSize.Of(folder) == sizes[0] ? (int)sizes[0] : null;
    }

    // The number of tokens by every tensor of an embedding or a head.
    private static IEnumerable<long> Rows(TensorFile file, string module, int width)
    {
        foreach (var tensor in file.Tensors.Where(t => t.Shape.Length == 2))
        {
            var at = $".{tensor.Name}".LastIndexOf($".{module}.", StringComparison.Ordinal);
            if (at < 0) continue;
            var part = tensor.Name[(at + module.Length + 1)..].Split('.');
            if (part[0] == "lora_embedding_A") yield return tensor.Shape[1];
            else if (part[0] == "lora_B" || (IsWhole(part) && tensor.Shape[1] == width)) yield return tensor.Shape[0];
        }
    }

    // modules_to_save may be followed by the adapter's name.
    private static bool IsWhole(string[] part) =>
        part[^1] == "weight" && (part.Length == 1 || Wholes.Contains(part[0]));
}
