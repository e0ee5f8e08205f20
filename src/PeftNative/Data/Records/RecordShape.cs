namespace PeftNative.Data.Records;

/// <summary>The kinds of records a data file can hold.</summary>
public enum RecordShape
{
    /// <summary><c>text</c>: plain text.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>.</summary>
    PromptCompletion,

    /// <summary><c>instruction</c>, optionally <c>input</c>, and <c>output</c>.</summary>
    Instruction,

    /// <summary>
    /// <c>messages</c>: a conversation of <c>role</c> and <c>content</c>; also <c>conversations</c> of <c>from</c> and
    /// <c>value</c>; optionally <c>system</c>, and <c>tools</c>, <c>documents</c> and <c>chat_template_kwargs</c> for
    /// the chat template.
    /// </summary>
    Messages,

    /// <summary><c>text</c> and <c>label</c>.</summary>
    TextLabel,

    /// <summary>
    /// <c>text</c>, <c>text_pair</c> and <c>label</c>; also sentence1 and sentence2, premise and hypothesis.
    /// </summary>
    TextPairLabel,

    /// <summary><c>tokens</c> and <c>tags</c>: words and a tag for each.</summary>
    TokensTags,

    /// <summary><c>source</c> and <c>target</c>: a text and what to make of it.</summary>
    SourceTarget,

    /// <summary>
    /// <c>chosen</c> and <c>rejected</c>, optionally <c>prompt</c>: a better and a worse answer, as texts or messages.
    /// </summary>
    Preference,

    /// <summary><c>prompt</c>, <c>completion</c> and <c>label</c>: whether an answer is wanted.</summary>
    UnpairedPreference,
}
