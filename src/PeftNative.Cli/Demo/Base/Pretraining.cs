using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Baselines;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;
using PeftNative.Training.Optimization;

namespace PeftNative.Cli.Demo.Base;

/// <summary>
/// Makes the base that ships with the project: a tokenizer learned from generated texts, random weights, and full
/// training on these texts. Its result depends on the seed alone, up to the rounding of the processor's
/// instruction set.
/// </summary>
internal static class Pretraining
{
    /// <summary>The steps the base that ships with the program was made with.</summary>
    public const int DefaultSteps = 9000;

    /// <summary>The texts it was made with.</summary>
    public const int DefaultTexts = 150_000;

    private const int HeldOutTexts = 200, RowsPerStep = 6, RowTokens = 192;

    /// <summary>Writes the folder.</summary>
    public static void Run(string folder, ulong seed, int texts, int steps, IBackend backend, Terminal terminal)
    {
        BaseFiles.WriteBeginnings(folder, seed, texts);
        var tokenizer = HfTokenizer.Load(folder);
        var train = Encode(tokenizer, Corpus.Pretraining(texts, seed));
        var heldOut = Encode(tokenizer, Corpus.HeldOut(HeldOutTexts, seed));
        using var model = ModelLoader.CreateRandom(backend, FamilyTable.Read(folder), seed);
        using var trained = new FullConfig().Create(model, seed, trainable: true, "base");
        var tokens = train.Examples.Sum(e => (long)e.Length);
        terminal.Line($"{Quantity.Count(model.ParameterCount)} parameters, "
            + $"{Quantity.Count(train.Examples.Count)} texts, {Quantity.Count(tokens)} tokens; "
            + $"{Quantity.Count(steps)} steps on {backend.Description}");
        using var trainer = new Trainer(model, trained, train, heldOut, Options(seed, steps));
        using var console = new TrainConsole(terminal, loggingSteps: 50);
        var result = trainer.Run(console.Show, terminal.Cancellation);
        if (result.End != RunEnd.Completed) throw new OperationCanceledException();
        BaseFiles.WriteWeights(folder, trained);
    }

    /// <summary>Texts as the base reads them.</summary>
    public static EncodedData Encode(HfTokenizer tokenizer, IEnumerable<string> texts) => EncodedData.From(
        texts.Select((text, i) => new TextRecord(text, null, null, new RecordOrigin("generated", i + 1))),
        new ExampleEncoder(tokenizer, new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = RowTokens }));

    private static TrainerOptions Options(ulong seed, int steps) => new()
    {
        MaxSteps = steps,
        BatchSize = RowsPerStep,
        PackingBudget = RowTokens,
        LearningRate = 5e-3,
        LrScheduler = "cosine",
        WarmupSteps = Math.Min(100, steps / 10),
        Optimizer = new AdamWOptions { Beta2 = 0.95, WeightDecay = 0.1 },
        Seed = seed,
        EvalSteps = 200,
        SaveSteps = 0,
    };
}
