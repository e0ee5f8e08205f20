using PeftNative.Data.Encoding;
using PeftNative.Inference;
using PeftNative.Models.Layers;

namespace PeftNative.Cli.Runs;

/// <summary>What a language model makes of one text of the data before and after training.</summary>
/// <param name="Prompt">The start of an example.</param>
/// <param name="Wanted">How it goes on in the data.</param>
/// <param name="Before">How the model went on before training.</param>
internal sealed record Sample(string Prompt, string Wanted, string Before)
{
    private const int MostTokens = 40, MostPrompt = 200, UsualPrompt = 12;

    private int[] Ids { get; init; } = [];

    /// <summary>Takes the first example, of the evaluation data where there is some; null for classifiers.</summary>
    public static Sample? Take(RunSetup setup, CancellationToken cancellation)
    {
        if (!setup.Model.Task.WritesText()) return null;
        var example = (setup.Eval ?? setup.Train).Examples[0];
        if (example.DecoderIds is { } targets)
            return new Sample(setup.Tokenizer.Decode(example.Ids), setup.Tokenizer.Decode(targets),
                Continue(setup, example.Ids, cancellation)) { Ids = example.Ids };
        var cut = PromptLength(example);
        var ids = example.Ids[Math.Max(0, cut - MostPrompt)..cut];
        var wanted = example.Ids[cut..Math.Min(example.Ids.Length, cut + MostTokens)];
        return new Sample(setup.Tokenizer.Decode(ids), setup.Tokenizer.Decode(wanted),
            Continue(setup, ids, cancellation)) { Ids = ids };
    }

    /// <summary>How the trained model goes on.</summary>
    public string After(RunSetup setup) => Continue(setup, Ids, CancellationToken.None, setup.Adapter);

    // Where the answer begins; a plain text, learned throughout, is cut after its first words.
    private static int PromptLength(Example example)
    {
        var first = Array.FindIndex(example.Labels!, l => l != Example.Masked);
        return first > 1 ? first : Math.Min(UsualPrompt, Math.Max(1, example.Length / 2));
    }

    private static string Continue(RunSetup setup, int[] ids, CancellationToken cancellation,
        params AttachmentSet[] adapters)
    {
        using var generator = new Generator(setup.Model, adapters);
        var isContinued = setup.Model.Task == ModelTask.CausalLM;
        var most = isContinued ? Math.Min(MostTokens, setup.Model.Config.MaxPositions - ids.Length) : MostTokens;
        var options = new GenerationOptions { MaxTokens = most }.StoppingAt(setup.Tokenizer.EndOfSequenceId);
        return most < 1 ? "" : setup.Tokenizer.Decode([.. generator.Generate(ids, options, cancellation)]);
    }
}
