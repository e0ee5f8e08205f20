using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Peft.PTuning;

namespace PeftNative.Lab.Comparison;

/// <summary>
/// The methods a comparison knows, with usual settings and learning rates. The rates are published ones for models of
/// width 768; for other widths they are scaled by 768 / hidden_size, as the best rate of Adam goes with the inverse of
/// the width (Yang et al. 2022, arXiv:2203.03466). They are starting points that treat all methods alike, not the best
/// ones for every data set.
/// </summary>
public static class ComparedMethods
{
    private const double UsualWidth = 768;

    private sealed record Default(string Name, double Rate, AdapterConfig Config);

    private static readonly Default[] Defaults =
    [
        // Hu et al. 2021 (arXiv:2106.09685), table 9: 4e-4 to 5e-4 with RoBERTa base. All linear layers: Dettmers et
        // al. 2023 (arXiv:2305.14314).
        new("lora", 5e-4, new LoraConfig { R = 8, Alpha = 16, Targets = new TargetModules(null, "all-linear") }),
        // Liu et al. 2022 (arXiv:2205.05638) use 3e-3 on a large model, PEFT's examples 8e-3 to 1e-2.
        new("ia3", 1e-2, new Ia3Config()),
        // PEFT's examples: 1e-2 for a prefix without projection.
        new("prefix", 1e-2, new PrefixTuningConfig()),
        // Lester et al. 2021 (arXiv:2104.08691) use 0.3 with Adafactor, PEFT's examples 3e-2 to 5e-2 with AdamW.
        new("prompt", 5e-2, new PromptTuningConfig { Initialization = PromptInitialization.SampleVocab }),
        // PEFT's examples: 1e-3 to 5e-3.
        new("p_tuning", 5e-3, new PTuningConfig()),
        // Houlsby et al. 2019 (arXiv:1902.00751) search 3e-5 to 3e-3; Pfeiffer et al. 2020 (arXiv:2005.00247) use 1e-4.
        new("bottleneck", 5e-4, BottleneckConfig.Houlsby),
        // Devlin et al. 2018 (arXiv:1810.04805): 2e-5 to 5e-5.
        new("full", 5e-5, new FullConfig()),
        // Like full fine-tuning, with a little more, as less of the model moves.
        new("top_layers", 1e-4, new TopLayersConfig()),
        // Ben Zaken et al. 2021 (arXiv:2106.10199): 1e-4 to 1e-3.
        new("bitfit", 1e-3, new BitFitConfig()),
        // A linear classifier on fixed features.
        new("head", 1e-2, new HeadConfig()),
    ];

    /// <summary>All names; the six methods first, then the baselines.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Defaults.Select(d => d.Name)];

    /// <summary>The names of the methods that suit a model: a language model has no head of its own to train, and some
    /// models have no biases.</summary>
    public static IEnumerable<string> NamesFor(TransformerModel model) => Names.Where(name => name switch
    {
        "head" => !model.Task.WritesText(),
        "bitfit" => BitFitConfig.HasBiases(model),
        _ => true,
    });

    /// <summary>The kind of a method: its name up to a hyphen.</summary>
    public static string KindOf(string name) => name.Split('-', 2)[0];

    /// <summary>A method with its usual settings.</summary>
    /// <param name="name">One of <see cref="Names"/>, or one with a hyphen and anything behind it, so that a kind may
    /// take part with several settings.</param>
    /// <param name="model">The model it is for: its width decides the rate.</param>
    /// <param name="learningRate">Another rate, or null.</param>
    /// <exception cref="UsageException">There is no such method.</exception>
    public static ComparedMethod Create(string name, TransformerModel model, double? learningRate = null)
    {
        var found = Array.Find(Defaults, d => d.Name == KindOf(name)) ?? throw new UsageException(
            $"'{name}' is no method of a comparison.", remedy: $"There are: {string.Join(", ", Names)}.");
        var rate = learningRate ?? found.Rate * UsualWidth / model.Config.HiddenSize;
        return new ComparedMethod(name, found.Config with { BaseModel = model.Folder }, rate);
    }
}
