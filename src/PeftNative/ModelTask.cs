namespace PeftNative;

/// <summary>
/// What a model does and learns; decides which head stands on top of the transformer, and what examples look like.
/// </summary>
public enum ModelTask
{
    /// <summary>To continue texts: the next token (PEFT: CAUSAL_LM).</summary>
    CausalLM,

    /// <summary>One label, several labels or a number for a text or a pair of texts (PEFT: SEQ_CLS).</summary>
    SequenceClassification,

    /// <summary>One label per word (PEFT: TOKEN_CLS).</summary>
    TokenClassification,

    /// <summary>To turn one text into another, with an encoder and a decoder (PEFT: SEQ_2_SEQ_LM).</summary>
    SequenceToSequence,

    /// <summary>
    /// The hidden state of each token, from a model without a head (PEFT: FEATURE_EXTRACTION, transformers: AutoModel).
    /// It has no loss of its own.
    /// </summary>
    FeatureExtraction,
}

/// <summary>What tasks have in common, and what PEFT calls them.</summary>
public static class ModelTasks
{
    private static readonly string[] Names =
        ["CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM", "FEATURE_EXTRACTION"];

    /// <summary>PEFT's <c>task_type</c>.</summary>
    public static string PeftName(this ModelTask task) => Names[(int)task];

    /// <summary>The task of PEFT's <c>task_type</c>; null when it is none of them.</summary>
    public static ModelTask? FromPeft(string? name) => Array.IndexOf(Names, name) is >= 0 and var i
        ? (ModelTask)i : null;

    /// <summary>The task that a class of transformers is for; null where its name does not say.</summary>
    internal static ModelTask? FromClass(string name)
    {
        return Ends("ForSequenceClassification") ? ModelTask.SequenceClassification
            : Ends("ForTokenClassification") ? ModelTask.TokenClassification
            : Ends("ForConditionalGeneration") ? ModelTask.SequenceToSequence
            : Ends("ForCausalLM") || Ends("LMHeadModel") ? ModelTask.CausalLM : null;

        bool Ends(string end) => name.EndsWith(end, StringComparison.Ordinal);
    }

    /// <summary>Whether the task is to write text, and its head the vocabulary.</summary>
    public static bool WritesText(this ModelTask task) => task is ModelTask.CausalLM or ModelTask.SequenceToSequence;

    /// <summary>Whether the task is to give labels or numbers, and its head is learned with them.</summary>
    public static bool Classifies(this ModelTask task) =>
        task is ModelTask.SequenceClassification or ModelTask.TokenClassification;
}

/// <summary>What a sequence classifier learns, and so its loss: Hugging Face's <c>problem_type</c>.</summary>
public enum ProblemType
{
    /// <summary>One of several labels: cross-entropy.</summary>
    SingleLabel,

    /// <summary>Any number of labels: binary cross-entropy with logits.</summary>
    MultiLabel,

    /// <summary>A number: mean squared error.</summary>
    Regression,
}

/// <summary>What Hugging Face calls the problems.</summary>
public static class ProblemTypes
{
    private static readonly string[] Names = ["single_label_classification", "multi_label_classification",
        "regression"];

    /// <summary>The <c>problem_type</c> of config.json.</summary>
    public static string HubName(this ProblemType problem) => Names[(int)problem];

    /// <summary>The problem of a <c>problem_type</c>; null when it is none of them.</summary>
    public static ProblemType? FromHub(string? name) => Array.IndexOf(Names, name) is >= 0 and var i
        ? (ProblemType)i : null;
}
