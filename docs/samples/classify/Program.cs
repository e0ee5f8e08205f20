// Trains a classifier head with LoRA on labelled texts in memory, then asks it.
//   dotnet run -- MODEL_FOLDER
using PeftNative;
using PeftNative.Backends;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Inference;
using PeftNative.Models.Loading;
using PeftNative.Peft.Lora;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;

string[] names = ["fruit", "animal"];
(string Text, string Label)[] texts =
[
    ("an apple", "fruit"), ("a horse", "animal"), ("a pear", "fruit"), ("a dog", "animal"), ("a plum", "fruit"),
    ("a cat", "animal"),
];

using var backend = BackendFactory.Create();
var (model, report) = ModelLoader.Load(backend, args[0],
    new ModelOptions { Task = ModelTask.SequenceClassification, Labels = names });
using var owned = model;
// The head, which the checkpoint lacks; it is trained and saved with the adapter.
Console.WriteLine($"created: {string.Join(", ", report.Created)}");
using var adapter = new LoraConfig { R = 8, Alpha = 16, TaskType = "SEQ_CLS" }.Create(model, seed: 42,
    trainable: true, "default");

var labels = LabelVocabulary.OfModel(names, ProblemType.SingleLabel);
var encoder = new ExampleEncoder(HfTokenizer.Load(args[0]),
    new EncodingOptions { Task = ModelTask.SequenceClassification, MaxLength = 32, Labels = labels });
var data = EncodedData.From(texts.Select((t, i) => new TextRecord(t.Text, null, LabelValue.OfName(t.Label),
    new RecordOrigin("memory", i))), encoder);

using var trainer = new Trainer(model, adapter, data, eval: null,
    new TrainerOptions { MaxSteps = 60, BatchSize = 6, LearningRate = 3e-3 });
trainer.Run();

using var classifier = new Classifier(model, adapter);
var scores = classifier.Score(Batch.Of(data.Examples));
var right = scores.Where((s, i) => names[Classifier.Best(s)] == texts[i].Label).Count();
Console.WriteLine(
    $"{right} of {texts.Length} right; '{texts[0].Text}': "
        + $"{string.Join(", ", Classifier.Softmax(scores[0]).Select((p, i) => $"{names[i]} {p:0.00}"))}");
