using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>The families the engine knows, by model_type.</summary>
public static class FamilyTable
{
    private static readonly Dictionary<string, Family> Table = new Family[]
    {
        Gpt2Family.Instance, GptNeoXFamily.Instance, OptFamily.Instance,
        LlamaFamily.Instance, LlamaRelatives.Mistral, LlamaRelatives.Phi3, QwenFamily.Qwen2, QwenFamily.Qwen3,
        GemmaFamily.Gemma, GemmaFamily.Gemma2, GemmaFamily.Gemma3,
        LlamaRelatives.Ministral, LlamaRelatives.SeedOss, SmolLm3Family.SmolLm3, Starcoder2Family.Starcoder2,
        StableLmFamily.StableLm, PhiFamily.Phi, GraniteFamily.Granite, OlmoFamily.Olmo2, OlmoFamily.Olmo3,
        Exaone4Family.Exaone4, GptNeoFamily.GptNeo, FalconFamily.Falcon, HunYuanFamily.HunYuan,
        BertFamily.Instance, BertRelatives.Roberta, BertRelatives.DistilBert, T5Family.T5, T5Family.Mt5,
    }.ToDictionary(f => f.ModelType);

    /// <summary>All model types, sorted.</summary>
    public static IReadOnlyList<string> ModelTypes { get; } = [.. Table.Keys.Order(StringComparer.Ordinal)];

    /// <summary>All of them, by model type.</summary>
    internal static IEnumerable<Family> All => ModelTypes.Select(type => Table[type]);

    /// <summary>All of them, the best known first.</summary>
    internal static IEnumerable<Family> BestKnownFirst => Table.Values;

    /// <summary>The family of a model type.</summary>
    /// <exception cref="ModelFormatException">The model type is not among <see cref="ModelTypes"/>.</exception>
    public static Family Find(string modelType, string where) =>
        Table.TryGetValue(modelType, out var family)
            ? family
            : throw new ModelFormatException($"The model type '{modelType}' is not supported.", where,
                $"Supported: {string.Join(", ", ModelTypes)}.");

    /// <summary>
    /// Reads the config.json of a model folder, and the tokens that end a text from generation_config.json where there
    /// is one: chat models end a turn with a token that config.json does not name. Of a .gguf file, reads what it says.
    /// </summary>
    /// <exception cref="ModelFormatException">A file is broken, or describes a model that is not supported.</exception>
    public static TransformerConfig Read(string folder)
    {
        if (GgufConfig.IsFile(folder))
        {
            using var source = WeightSource.Open(folder);
            return GgufConfig.Read(source);
        }
        var config = Read(StrictJson.ReadFile(Path.Combine(folder, "config.json")));
        var generation = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(generation)) return config;
        var ends = new ConfigReader(StrictJson.ReadFile(generation)).EndIds();
        return config with { EosTokenIds = [.. config.EosTokenIds.Union(ends)] };
    }

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="ModelFormatException">
    /// It describes a model that is not supported, or contradicts itself.
    /// </exception>
    public static TransformerConfig Read(StrictObject json)
    {
        var reader = new ConfigReader(json);
        return reader.Check(Find(json.GetString("model_type"), json.File).ReadConfig(reader));
    }
}
