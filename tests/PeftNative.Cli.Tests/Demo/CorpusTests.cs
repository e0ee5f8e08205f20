using System.Text.Json.Nodes;
using PeftNative.Cli.Demo.Text;
using Xunit;

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
        Assert.InRange(texts.Distinct().Count(), 290, 300);
    }

    [Fact]
    public void Texts_read_as_English_does()
    {
        Assert.All(Corpus.Pretraining(2000, 42), text =>
        {
            Assert.Matches("^[\"A-Z0-9{]", text);
            Assert.Matches("[.!?}\"]$", text);
            Assert.DoesNotContain("  ", text, StringComparison.Ordinal);
            Assert.DoesNotMatch(@"\ba [aeiou]|\ban [^aeiou]|[^ -~\n]", text);
        });
    }

    [Fact]
    public void The_people_of_the_exam_are_in_no_lesson()
    {
        var examined = Corpus.Examined.Select(p => p.Name).ToHashSet();
        string NameIn(string record) => JsonNode.Parse(record)!["name"]!.GetValue<string>();
        Assert.All(Corpus.Lessons(2000, 42), lesson => Assert.DoesNotContain(NameIn(lesson.Completion!), examined));
        Assert.All(Corpus.Exam(200, 42), question => Assert.Contains(NameIn(question.Completion!), examined));
    }

    [Fact]
    public void A_record_says_what_its_sentence_says()
    {
        foreach (var lesson in Corpus.Lessons(500, 7))
        {
            var sentence = lesson.Prompt.ToLowerInvariant();
            var record = (JsonObject)JsonNode.Parse(lesson.Completion!)!;
            Assert.Contains(record["name"]!.GetValue<string>().ToLowerInvariant(), sentence, StringComparison.Ordinal);
            if (record["place"] is { } place) Assert.Contains($" {place}", sentence, StringComparison.Ordinal);
            foreach (var item in record["items"]!.AsArray())
            {
                var count = item!["n"]!.GetValue<int>();
                var phrase = string.Join(' ', new[] { item["colour"], item["what"] }.Where(w => w is not null));
                var number = count == 1 ? Words.Article(phrase) : Words.Numbers[count];
                Assert.Contains($"{number} {phrase}", sentence, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Nothing_in_pretraining_looks_like_the_task()
    {
        Assert.All(Corpus.Pretraining(3000, 42), text =>
        {
            Assert.DoesNotContain(Corpus.Cue.Trim(), text, StringComparison.Ordinal);
            Assert.DoesNotContain("\"n\":", text, StringComparison.Ordinal);
            Assert.DoesNotContain("\"what\":", text, StringComparison.Ordinal);
        });
    }
}
