using System.Globalization;
using PeftNative.Cli.Demo.Text;
using PeftNative.Data.Records;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace PeftNative.Cli.Tests.Demo;

/// <summary>The generated texts.</summary>
public class CorpusTests
{
    [Fact]
    public void Texts_depend_on_seed_and_number_alone()
    {
        var texts = Corpus.Pretraining(300, 42).ToList();
        Assert.Equal(texts, Corpus.Pretraining(300, 42));
        Assert.Equal(texts.Take(10), Corpus.Pretraining(10, 42));
        Assert.NotEqual(texts, Corpus.Pretraining(300, 43));
        Assert.InRange(texts.Distinct().Count(), 280, 300);
    }

    [Fact]
    public void Texts_read_as_English_does()
    {
        Assert.All(Corpus.Pretraining(2000, 42), text =>
        {
            Assert.Matches("^[A-Z0-9]", text);
            Assert.Matches("[.!?}]$", text);
            Assert.DoesNotContain("  ", text, StringComparison.Ordinal);
            Assert.DoesNotMatch(@"\ba [aeiou]|\ban [^aeiou]|[^ -~\n]", text);
        });
    }

    [Fact]
    public void The_people_of_the_exam_are_in_no_lesson()
    {
        var examined = Corpus.Examined.Select(p => p.Name).ToHashSet();
        foreach (var lesson in Corpus.Lessons(DemoTask.Records, 1000, 42))
            Assert.DoesNotContain(Value(Read(lesson), "name")!, examined);
        foreach (var question in Corpus.Exam(DemoTask.Records, 200, 42))
            Assert.Contains(Value(Read(question), "name")!, examined);
    }

    [Fact]
    public void A_record_says_what_its_sentence_says()
    {
        foreach (var lesson in Corpus.Lessons(DemoTask.Records, 500, 7))
        {
            var sentence = lesson.Prompt.ToLowerInvariant();
            var record = Read(lesson);
            Assert.Contains(Value(record, "name")!.ToLowerInvariant(), sentence, StringComparison.Ordinal);
            if (Value(record, "place") is { } place) Assert.Contains($" {place}", sentence, StringComparison.Ordinal);
            foreach (var item in ((YamlSequenceNode)record["items"]).Select(n => ((YamlScalarNode)n).Value!))
            {
                var (digits, phrase) = (item[..item.IndexOf(' ')], item[(item.IndexOf(' ') + 1)..]);
                var count = int.Parse(digits, CultureInfo.InvariantCulture);
                var number = count == 1 ? Words.Article(phrase) : Words.Numbers[count];
                Assert.Contains($"{number} {phrase}", sentence, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void All_tasks_examine_the_same_sentences_and_ask_for_something_else()
    {
        var exams = DemoTask.All.Select(t => Corpus.Exam(t, 50, 42).ToList()).ToList();
        foreach (var exam in exams) Assert.Equal(exams[0].Select(q => q.Prompt), exam.Select(q => q.Prompt));
        Assert.Equal(exams.Count, exams.Select(e => e[0].Completion).Distinct().Count());
    }

    [Fact]
    public void Nothing_in_pretraining_looks_like_the_task()
    {
        Assert.All(Corpus.Pretraining(3000, 42), text =>
        {
            Assert.DoesNotContain(Corpus.Cue.Trim(), text, StringComparison.Ordinal);
            // Records in braces stand alone: none follows a sentence.
            if (text.Contains('{', StringComparison.Ordinal)) Assert.Matches(@"^Record \d+: \{[^.]*\}$", text);
        });
    }

    private static YamlMappingNode Read(PromptRecord record)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(record.Completion!));
        return (YamlMappingNode)stream.Documents[0].RootNode;
    }

    private static string? Value(YamlMappingNode record, string key) =>
        record.Children.TryGetValue(key, out var value) ? ((YamlScalarNode)value).Value : null;
}
