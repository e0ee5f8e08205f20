using PeftNative.Data.Reading;
using PeftNative.Data.Records;

namespace PeftNative.Cli.Demo.Text;

/// <summary>
/// The texts the demo's base was made from, and those it is adapted with; each depends on seed and number alone.
/// </summary>
internal static class Corpus
{
    // Beginnings of the numbers of texts, so that no text of one purpose is one of another.
    private const ulong HeldOutTexts = 1UL << 40, LessonTexts = 2UL << 40, ExamTexts = 3UL << 40;

    // Who appears in the exam appears in no lesson.
    private const int EveryNthIsExamined = 4;

    /// <summary>What separates the sentence from the answer that is to follow, whatever the task.</summary>
    public const string Cue = " Record:";

    private static readonly Person[] Taught = [.. Words.People.Where((_, i) => i % EveryNthIsExamined != 0)];

    /// <summary>The people of the exam.</summary>
    public static readonly Person[] Examined = [.. Words.People.Where((_, i) => i % EveryNthIsExamined == 0)];

    /// <summary>The texts of pretraining.</summary>
    public static IEnumerable<string> Pretraining(int count, ulong seed) => Texts(count, seed, 0);

    /// <summary>Texts of the same kind that pretraining never saw.</summary>
    public static IEnumerable<string> HeldOut(int count, ulong seed) => Texts(count, seed, HeldOutTexts);

    /// <summary>Sentences with their answers, to learn from.</summary>
    public static IEnumerable<PromptRecord> Lessons(DemoTask task, int count, ulong seed) =>
        Pairs(task, count, seed, LessonTexts, Taught);

    /// <summary>
    /// Sentences about people who are in no lesson, with their answers; the same sentences for every task.
    /// </summary>
    public static IEnumerable<PromptRecord> Exam(DemoTask task, int count, ulong seed) =>
        Pairs(task, count, seed, ExamTexts, Examined);

    private static IEnumerable<string> Texts(int count, ulong seed, ulong first) =>
        Enumerable.Range(0, count).Select(n => Document(new Dice(seed, first + (ulong)n)));

    private static IEnumerable<PromptRecord> Pairs(DemoTask task, int count, ulong seed, ulong first,
        Person[] people) =>
        Enumerable.Range(0, count).Select(n => Pair(task, new Dice(seed, first + (ulong)n), people, n + 1));

    private static PromptRecord Pair(DemoTask task, Dice dice, Person[] people, int number)
    {
        var inventory = Inventory.Draw(dice, people);
        var (prompt, completion) = (inventory.Sentence(dice) + Cue, " " + task.Answer(inventory));
        return new PromptRecord(prompt, completion, new RecordOrigin("demo", number));
    }

    private static string Document(Dice dice) => dice.Below(22) switch
    {
        < 9 => Stories.Possessions(dice),
        < 15 => Notes.Echo(dice),
        < 17 => Stories.Search(dice),
        < 18 => Stories.Gift(dice),
        < 19 => Stories.Day(dice),
        < 20 => Notes.Talk(dice),
        < 21 => Notes.Card(dice),
        _ => Notes.SomeFacts(dice),
    };
}
