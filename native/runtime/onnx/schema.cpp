#include "runtime/onnx/schema.h"

namespace ascribe::onnx {
namespace {

constexpr Field model[] = {
    {1, Kind::Number},                          // ir_version
    {2, Kind::Text},                            // producer_name
    {3, Kind::Text},                            // producer_version
    {4, Kind::Text},                            // domain
    {5, Kind::Number},                          // model_version
    {6, Kind::Text},                            // doc_string
    {7, Kind::Child, Message::Graph},           // graph
    {8, Kind::Children, Message::OperatorSet},  // opset_import
    {14, Kind::Children, Message::Entry},       // metadata_props
    {25, Kind::Children, Message::Function},    // functions
};
constexpr Field graph[] = {
    {1, Kind::Children, Message::Node},           // node
    {2, Kind::Text},                              // name
    {5, Kind::Children, Message::Tensor},         // initializer
    {11, Kind::Children, Message::ValueInfo},     // input
    {12, Kind::Children, Message::ValueInfo},     // output
    {15, Kind::Children, Message::SparseTensor},  // sparse_initializer
};
// Documentation and metadata of nodes stay behind: exporters write a stack trace into every node.
constexpr Field node[] = {
    {1, Kind::Text},                          // input
    {2, Kind::Text},                          // output
    {3, Kind::Text},                          // name
    {4, Kind::Text},                          // op_type
    {5, Kind::Children, Message::Attribute},  // attribute
    {7, Kind::Text},                          // domain
    {8, Kind::Text},                          // overload
};
constexpr Field attribute[] = {
    {1, Kind::Text},                              // name
    {2, Kind::Float},                             // f
    {3, Kind::Number},                            // i
    {4, Kind::Bytes},                             // s
    {5, Kind::Child, Message::Tensor},            // t
    {6, Kind::Child, Message::Graph},             // g
    {7, Kind::Floats},                            // floats
    {8, Kind::Numbers},                           // ints
    {9, Kind::Bytes},                             // strings
    {10, Kind::Children, Message::Tensor},        // tensors
    {11, Kind::Children, Message::Graph},         // graphs
    {20, Kind::Number},                           // type
    {21, Kind::Text},                             // ref_attr_name
    {22, Kind::Child, Message::SparseTensor},     // sparse_tensor
    {23, Kind::Children, Message::SparseTensor},  // sparse_tensors
};
constexpr Field sparseTensor[] = {
    {1, Kind::Child, Message::Tensor},  // values
    {2, Kind::Child, Message::Tensor},  // indices
    {3, Kind::Numbers},                 // dims
};
constexpr Field valueInfo[] = {
    {1, Kind::Text},                  // name
    {2, Kind::Child, Message::Type},  // type
};
constexpr Field type[] = {
    {1, Kind::Child, Message::TensorType},  // tensor_type
};
constexpr Field tensorType[] = {
    {1, Kind::Number},                 // elem_type
    {2, Kind::Child, Message::Shape},  // shape
};
constexpr Field shape[] = {
    {1, Kind::Children, Message::Dimension},  // dim
};
constexpr Field dimension[] = {
    {1, Kind::Number},  // dim_value
    {2, Kind::Text},    // dim_param
};
constexpr Field function[] = {
    {1, Kind::Text},                            // name
    {4, Kind::Text},                            // input
    {5, Kind::Text},                            // output
    {6, Kind::Text},                            // attribute
    {7, Kind::Children, Message::Node},         // node
    {9, Kind::Children, Message::OperatorSet},  // opset_import
    {10, Kind::Text},                           // domain
    {11, Kind::Children, Message::Attribute},   // attribute_proto
    {13, Kind::Text},                           // overload
};
constexpr Field operatorSet[] = {
    {1, Kind::Text},    // domain
    {2, Kind::Number},  // version
};
constexpr Field entry[] = {
    {1, Kind::Text},  // key
    {2, Kind::Text},  // value
};

}  // namespace

std::span<const Field> fieldsOf(Message message) {
  switch (message) {
    case Message::Model:
      return model;
    case Message::Graph:
      return graph;
    case Message::Node:
      return node;
    case Message::Attribute:
      return attribute;
    case Message::SparseTensor:
      return sparseTensor;
    case Message::ValueInfo:
      return valueInfo;
    case Message::Type:
      return type;
    case Message::TensorType:
      return tensorType;
    case Message::Shape:
      return shape;
    case Message::Dimension:
      return dimension;
    case Message::Function:
      return function;
    case Message::OperatorSet:
      return operatorSet;
    case Message::Entry:
      return entry;
    case Message::Tensor:
      break;
  }
  return {};
}

}  // namespace ascribe::onnx
