using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Demo;

/// <summary>What a model made of a sentence.</summary>
internal sealed record Answer(string Sentence, string Wanted, string Given)
{
    /// <summary>Whether it is the record, character for character.</summary>
    public bool IsExact => Given == Wanted;
}

/// <summary>Lets a model write the records of sentences and marks them.</summary>
internal static class Exam
{
    /// <summary>The answers; greedy, so the same every time.</summary>
    public static List<Answer> Take(
        IReadOnlyList<PromptRecord> questions, TransformerModel model, HfTokenizer tokenizer, string what,
        Terminal terminal, params IReadOnlyList<AttachmentSet> adapters)
    {
        using var generator = new Generator(model, adapters);
        using var progress = new ProgressLine(terminal);
        var options = new GenerationOptions { MaxTokens = DemoPlan.AnswerTokens };
        var answers = new List<Answer>();
        foreach (var question in questions)
        {
            progress.Show($"{what}: sentence {answers.Count + 1} of {questions.Count}");
            var prompt = tokenizer.Encode(question.Prompt).Ids;
            var tokens = generator.Generate(prompt, options, terminal.Cancellation);
            var given = tokenizer.Decode([.. tokens]).ReplaceLineEndings(" ").Trim();
            answers.Add(new Answer(question.Prompt[..^Corpus.Cue.Length], question.Completion!.Trim(), given));
        }
        return answers;
    }
}
